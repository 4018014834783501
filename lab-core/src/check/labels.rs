//! What may be called what: DNS labels and DNS names (RFC 1123 §2.1).

use crate::model::{Diagnostic, Spanned};

/// Checks the name of a thing of the lab: a DNS label in lower case of at most `longest`
/// characters.
pub(super) fn check_label(
    kind: &str,
    name: &Spanned<String>,
    longest: usize,
    diagnostics: &mut Vec<Diagnostic>,
) -> bool {
    let Err((reason, help)) = label(name, longest) else {
        return true;
    };
    diagnostics.push(
        Diagnostic::error(
            "lab::bad-name",
            format!(
                "`{}` can't be the name of a {kind}: {reason}.",
                name.escape_debug()
            ),
            &name.place,
            "this name",
        )
        .help(help),
    );
    false
}

fn label(name: &str, longest: usize) -> Result<(), (String, String)> {
    let rule = "a name has letters a to z, digits and hyphens, and starts with a letter or digit";
    if name.is_empty() {
        return Err(("it is empty".into(), rule.into()));
    }
    if name.contains('/') || name.contains("..") {
        return Err(("it looks like a path".into(), rule.into()));
    }
    if name.starts_with('-') || name.ends_with('-') {
        return Err(("it starts or ends with a hyphen".into(), rule.into()));
    }
    if name.chars().any(|c| c.is_ascii_uppercase()) {
        let help = format!("write `{}`", name.to_ascii_lowercase());
        return Err(("it has capital letters".into(), help));
    }
    if let Some(c) = name
        .chars()
        .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-'))
    {
        return Err((
            format!("`{}` is not allowed in it", c.escape_debug()),
            rule.into(),
        ));
    }
    let length = name.len();
    if length > longest {
        let why = if longest == 15 {
            ", the longest name of a network interface"
        } else {
            ""
        };
        return Err((
            format!("it has {length} characters"),
            format!("take at most {longest}{why}"),
        ));
    }
    Ok(())
}

/// A DNS name without its final dot, in lower case; underscores are allowed, and a `*` as
/// the first label. The error is a reason.
pub(super) fn dns_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.len() > 253 {
        return Err("it has more than 253 characters".into());
    }
    for (index, label) in name.split('.').enumerate() {
        if label == "*" && index == 0 {
            continue;
        }
        if label.is_empty() {
            return Err("it has an empty label".into());
        }
        if label.len() > 63 {
            return Err(format!("its label `{label}` has more than 63 characters"));
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Err(format!("its label `{label}` starts or ends with a hyphen"));
        }
        if let Some(c) = label
            .chars()
            .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '_'))
        {
            return Err(format!("`{}` is not allowed in it", c.escape_debug()));
        }
    }
    Ok(name)
}

/// [`dns_name`] with its diagnostic.
pub(super) fn check_dns_name(
    written: &Spanned<String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<String> {
    match dns_name(written) {
        Ok(name) => Some(name),
        Err(reason) => {
            diagnostics.push(
                Diagnostic::error(
                    "lab::bad-name",
                    format!("`{}` is no DNS name: {reason}.", written.escape_debug()),
                    &written.place,
                    "this name",
                )
                .help("a DNS name looks like `mail.example.com`"),
            );
            None
        }
    }
}
