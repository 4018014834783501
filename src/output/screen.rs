//! Where output goes.

use std::io::{ErrorKind, IsTerminal, Write};

use serde::Serialize;
use serde_json::Value;

use super::{Failure, Paint, When};

/// Version of everything that `--json` prints.
pub const JSON_VERSION: u32 = 1;

/// Where output goes.
#[derive(Clone, Copy, Debug)]
pub struct Screen {
    stdout: Paint,
    stderr: Paint,
}

impl Screen {
    /// Looks at stdout and stderr.
    pub fn new(when: When) -> Self {
        Self {
            stdout: Paint::new(when, std::io::stdout().is_terminal()),
            stderr: Paint::new(when, std::io::stderr().is_terminal()),
        }
    }

    /// Colours of stdout.
    pub fn stdout(&self) -> Paint {
        self.stdout
    }

    /// Colours of stderr.
    pub fn stderr(&self) -> Paint {
        self.stderr
    }

    /// Prints a result as it is.
    ///
    /// # Errors
    /// [`Failure::OutputClosed`] when nobody reads any more; a refusal when it can't be written.
    pub fn print(&self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(|error| match error.kind() {
                ErrorKind::BrokenPipe => Failure::OutputClosed,
                _ => Failure::host(format!("can't write the output: {error}"), None),
            })
    }

    /// Prints a result as JSON, `version` included. `value` must be a map.
    ///
    /// # Errors
    /// As [`Self::print`].
    pub fn json(&self, value: &impl Serialize) -> Result<(), Failure> {
        let text = versioned(value).map_err(|error| {
            Failure::host(format!("can't write the output as JSON: {error}"), None)
        })?;
        self.print(&text)
    }

    /// Prints a line to stderr. It is not a result: nobody minds if it can't be read.
    pub fn note(&self, line: &str) {
        let _ = writeln!(std::io::stderr(), "{line}");
    }
}

fn versioned(value: &impl Serialize) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(value)?;
    if let Value::Object(map) = &mut value {
        map.insert("version".into(), JSON_VERSION.into());
    }
    let mut text = serde_json::to_string_pretty(&value)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    #[test]
    fn json_says_its_version() {
        let text = super::versioned(&serde_json::json!({ "lab": "x" })).unwrap_or_default();
        assert_eq!(text, "{\n  \"lab\": \"x\",\n  \"version\": 1\n}\n");
    }
}
