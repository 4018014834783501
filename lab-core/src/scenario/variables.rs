//! `${name}` within a scenario file, before it is decoded.

use std::collections::BTreeMap;

use crate::model::{Diagnostic, Place, Spanned, Tree, Value, nearest};

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// The tree with every `${name}` replaced; `$${` stands for `${`.
pub fn replaced(tree: &Tree, variables: &Variables, diagnostics: &mut Vec<Diagnostic>) -> Tree {
    let value = match &tree.value {
        Value::Null => Value::Null,
        Value::Scalar { text, quoted } => Value::Scalar {
            text: within(text, &tree.place, variables, diagnostics),
            quoted: *quoted,
        },
        Value::List(items) => Value::List(
            items
                .iter()
                .map(|item| replaced(item, variables, diagnostics))
                .collect(),
        ),
        Value::Map(entries) => Value::Map(
            entries
                .iter()
                .map(|(key, value)| {
                    let name = Spanned {
                        value: within(key, &key.place, variables, diagnostics),
                        place: key.place.clone(),
                    };
                    (name, replaced(value, variables, diagnostics))
                })
                .collect(),
        ),
    };
    Tree {
        place: tree.place.clone(),
        value,
    }
}

fn within(
    text: &str,
    place: &Place,
    variables: &Variables,
    diagnostics: &mut Vec<Diagnostic>,
) -> String {
    let mut done = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if rest[..at].ends_with('$') {
            done.push_str(&rest[..at - 1]);
            done.push_str("${");
            rest = &rest[at + 2..];
            continue;
        }
        done.push_str(&rest[..at]);
        let Some(length) = rest[at..].find('}') else {
            diagnostics.push(
                Diagnostic::error(
                    "scenario::variable",
                    "`${` is not closed.",
                    place,
                    "no `}` follows",
                )
                .help("a variable is written `${name}`; `$${` stands for `${` itself"),
            );
            return done;
        };
        let name = &rest[at + 2..at + length];
        match variables.get(name) {
            Some(value) => done.push_str(value),
            None => diagnostics.push(unknown(name, place, variables)),
        }
        rest = &rest[at + length + 1..];
    }
    done.push_str(rest);
    done
}

fn unknown(name: &str, place: &Place, variables: &Variables) -> Diagnostic {
    let names = variables.keys().map(String::as_str);
    let help = match nearest(name, names.clone()) {
        Some(near) => format!("did you mean `${{{near}}}`?"),
        None => format!(
            "there are: {}; `$${{` stands for `${{` itself, as a shell wants it",
            names.collect::<Vec<_>>().join(", ")
        ),
    };
    Diagnostic::error(
        "scenario::variable",
        format!("There is no variable `{}`.", name.escape_debug()),
        place,
        "used here",
    )
    .help(help)
}

#[cfg(test)]
mod tests {
    use super::{Variables, within};
    use crate::model::Place;

    fn with(text: &str) -> (String, usize) {
        let variables = Variables::from([("host".to_owned(), "mail".to_owned())]);
        let mut diagnostics = Vec::new();
        let done = within(text, &Place::default(), &variables, &mut diagnostics);
        (done, diagnostics.len())
    }

    #[test]
    fn variables_are_replaced_and_doubled_dollars_stay() {
        assert_eq!(with("https://${host}/"), ("https://mail/".into(), 0));
        assert_eq!(with("${host}${host}"), ("mailmail".into(), 0));
        assert_eq!(with("$${host} $x"), ("${host} $x".into(), 0));
        assert_eq!(with("a ${hots} b").1, 1);
        assert_eq!(with("a ${host").1, 1);
        assert_eq!(with("grün ${host}"), ("grün mail".into(), 0));
    }
}
