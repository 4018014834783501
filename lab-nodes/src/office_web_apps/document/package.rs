//! The parts of an Office Open XML file: a ZIP archive whose entries are never trusted to be as
//! long as they say.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};

use zip::ZipArchive;
use zip::result::ZipError;

use super::Unreadable;
use super::xml::{self, Element};

/// Most entries of an archive.
const MOST_ENTRIES: usize = 4096;
/// Longest part, unpacked, in bytes.
const LONGEST_PART: u64 = 8 << 20;
/// Most bytes that are unpacked in all.
const MOST_BYTES: u64 = 24 << 20;

/// An open file.
pub(super) struct Package<'b> {
    archive: ZipArchive<Cursor<&'b [u8]>>,
    left: u64,
}

impl<'b> Package<'b> {
    pub fn open(content: &'b [u8]) -> Result<Self, Unreadable> {
        let archive = ZipArchive::new(Cursor::new(content))
            .map_err(|error| Unreadable::Damaged(error.to_string()))?;
        if archive.len() > MOST_ENTRIES {
            return Err(Unreadable::TooLarge(format!(
                "it has more than {MOST_ENTRIES} parts"
            )));
        }
        Ok(Self {
            archive,
            left: MOST_BYTES,
        })
    }

    /// A part as a tree; none: there is no such part.
    pub fn part(&mut self, name: &str) -> Result<Option<Element>, Unreadable> {
        let most = LONGEST_PART.min(self.left);
        let mut unpacked = Vec::new();
        match self.archive.by_name(name) {
            Err(ZipError::FileNotFound) => return Ok(None),
            Err(error) => return Err(Unreadable::Damaged(error.to_string())),
            Ok(entry) => entry
                .take(most + 1)
                .read_to_end(&mut unpacked)
                .map_err(|error| Unreadable::Damaged(error.to_string()))?,
        };
        let length = unpacked.len() as u64;
        if length > most {
            return Err(Unreadable::TooLarge(format!(
                "{name} unpacks to more than {} MB",
                most >> 20
            )));
        }
        self.left -= length;
        let text = String::from_utf8(unpacked)
            .map_err(|_| Unreadable::Damaged(format!("{name} is no UTF-8")))?;
        xml::tree(text.trim_start_matches('\u{feff}')).map(Some)
    }

    /// A part that has to be there.
    pub fn must(&mut self, name: &str) -> Result<Element, Unreadable> {
        self.part(name)?
            .ok_or_else(|| Unreadable::Damaged(format!("the part {name} is missing")))
    }

    /// The parts that a part refers to, by id; what lies outside the file is left out.
    pub fn relations(&mut self, part: &str) -> Result<BTreeMap<String, String>, Unreadable> {
        let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
        let Some(relations) = self.part(&format!("{folder}/_rels/{name}.rels"))? else {
            return Ok(BTreeMap::new());
        };
        let relations = relations.children("Relationship").filter_map(|relation| {
            if relation.attribute("TargetMode") == Some("External") {
                return None;
            }
            let target = relation.attribute("Target")?;
            Some((relation.attribute("Id")?.to_owned(), joined(folder, target)))
        });
        Ok(relations.collect())
    }
}

/// A target as seen from a folder.
fn joined(folder: &str, target: &str) -> String {
    if let Some(whole) = target.strip_prefix('/') {
        return whole.to_owned();
    }
    let mut steps: Vec<&str> = folder.split('/').filter(|step| !step.is_empty()).collect();
    for step in target.split('/') {
        match step {
            ".." => {
                steps.pop();
            }
            "." | "" => {}
            step => steps.push(step),
        }
    }
    steps.join("/")
}
