//! A key log that other programs write (SSLKEYLOGFILE).

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::output::Failure;

/// A key log, read as it grows.
#[derive(Debug)]
pub struct KeyLog {
    path: PathBuf,
    /// It may not be there yet.
    file: Option<File>,
    /// A line that is not whole yet.
    rest: Vec<u8>,
}

impl KeyLog {
    /// Of a file that is there or will be.
    ///
    /// # Errors
    /// It can't be read, or its folder is not there.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let file = match File::open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let folder = path.parent().filter(|folder| *folder != Path::new(""));
                if folder.is_some_and(|folder| !folder.is_dir()) {
                    return Err(Failure::usage(
                        format!("there is no folder for the key log {}", path.display()),
                        "name the file that SSLKEYLOGFILE names; it may come later, its folder not",
                    ));
                }
                None
            }
            Err(error) => {
                return Err(Failure::usage(
                    format!("can't read the key log {}: {error}", path.display()),
                    "name the file that SSLKEYLOGFILE names",
                ));
            }
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            rest: Vec::new(),
        })
    }

    /// The whole lines that came since the last look; empty where none did. What is no line of a
    /// key log is left out.
    pub fn fresh(&mut self) -> Vec<u8> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        if let Some(file) = &mut self.file {
            // What can't be read now may be so at the next look.
            let _ = file.read_to_end(&mut self.rest);
        }
        take_lines(&mut self.rest)
    }
}

fn take_lines(rest: &mut Vec<u8>) -> Vec<u8> {
    let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else {
        return Vec::new();
    };
    let behind = rest.split_off(end + 1);
    let whole = std::mem::replace(rest, behind);
    let lines = whole.split_inclusive(|byte| *byte == b'\n');
    lines
        .filter(|line| is_key(line))
        .collect::<Vec<_>>()
        .concat()
}

/// `LABEL hexadecimal hexadecimal`, as NSS defined it.
fn is_key(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.trim_ascii().split(|byte| *byte == b' ').collect();
    let [label, client, secret] = words[..] else {
        return false;
    };
    let hexadecimal = |word: &[u8]| !word.is_empty() && word.iter().all(u8::is_ascii_hexdigit);
    let named = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_';
    !label.is_empty() && label.iter().all(named) && hexadecimal(client) && hexadecimal(secret)
}

#[cfg(test)]
mod tests {
    use super::take_lines;

    #[test]
    fn only_whole_lines_of_keys_are_taken() {
        let mut rest = b"# comment\nCLIENT_RANDOM 0a 0b\nnonsense\nCLIENT_RANDOM 0".to_vec();
        assert_eq!(take_lines(&mut rest), b"CLIENT_RANDOM 0a 0b\n");
        rest.extend(b"c 0d\n");
        assert_eq!(take_lines(&mut rest), b"CLIENT_RANDOM 0c 0d\n");
        assert!(take_lines(&mut rest).is_empty() && rest.is_empty());
    }
}
