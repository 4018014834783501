//! Documents as they are shown: bytes to text, headings, lists and tables. Total, bounded, no I/O:
//! no macro is run, nothing outside the document is fetched.
//!
//! - `package`: the parts of an Office Open XML file (ISO/IEC 29500-2);
//! - `xml`: a part as a tree;
//! - `word`, `sheet`, `slides`, `text`: the kinds.

mod package;
mod sheet;
mod slides;
#[cfg(test)]
mod tests;
mod text;
mod word;
mod xml;

use hyper::body::Bytes;

/// Longest document that is read, in bytes.
pub const LONGEST: usize = 16 << 20;

/// A kind of document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// docx.
    Word,
    /// xlsx.
    Sheet,
    /// pptx.
    Slides,
    /// txt and other plain text.
    Text,
}

impl Kind {
    /// The kinds and the extensions they are told by.
    pub const ALL: [(Self, &'static [&'static str]); 4] = [
        (Self::Word, &["docx"]),
        (Self::Sheet, &["xlsx"]),
        (Self::Slides, &["pptx"]),
        (Self::Text, &["txt", "csv", "md", "log"]),
    ];

    /// By the extension of a name.
    pub fn of(name: &str) -> Option<Self> {
        let (_, extension) = name.rsplit_once('.')?;
        Self::ALL
            .iter()
            .find(|(_, known)| {
                known
                    .iter()
                    .any(|known| extension.eq_ignore_ascii_case(known))
            })
            .map(|(kind, _)| *kind)
    }

    /// The application that shows it.
    pub fn app(self) -> &'static str {
        match self {
            Self::Word => "Word",
            Self::Sheet => "Excel",
            Self::Slides => "PowerPoint",
            Self::Text => "Text",
        }
    }

    /// Whether its text can be edited.
    pub fn editable(self) -> bool {
        matches!(self, Self::Text)
    }
}

/// Text with its looks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The text; a line break is `\n`.
    pub text: String,
    /// Bold.
    pub bold: bool,
    /// Italic.
    pub italic: bool,
}

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Block {
    /// A heading, from 1 (a title) on.
    Heading(u8, String),
    /// A paragraph.
    Paragraph(Vec<Run>),
    /// An item of a list, and how deep it stands.
    Item(u8, Vec<Run>),
    /// Rows of cells.
    Table(Vec<Vec<String>>),
    /// Rows of a sheet, with their numbers; columns begin with A.
    Grid(Vec<(u32, Vec<String>)>),
    /// Text as it stands.
    Plain(String),
}

/// A part that is shown by itself: a document, a sheet, a slide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The name of a sheet, the title of a slide.
    pub title: Option<String>,
    /// What stands there.
    pub blocks: Vec<Block>,
}

/// Why a document is not shown: sentences for the person who wants to read it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// No such kind.
    #[error("documents of this kind are not shown here")]
    Kind,
    /// It is not what its name says.
    #[error("the file is damaged, or not of the kind its name says: {0}")]
    Damaged(String),
    /// It would take too much memory or time.
    #[error("the document is too large to be shown: {0}")]
    TooLarge(String),
}

/// Reads a document.
///
/// # Errors
/// It is damaged, or would take more than a server gives to one document.
pub fn read(kind: Kind, content: &Bytes) -> Result<Vec<Page>, Unreadable> {
    if content.len() > LONGEST {
        return Err(Unreadable::TooLarge("it has more than 16 MB".into()));
    }
    match kind {
        Kind::Word => word::read(content),
        Kind::Sheet => sheet::read(content),
        Kind::Slides => slides::read(content),
        Kind::Text => text::read(content),
    }
}

pub use text::{edited, plain};

/// Reads the main part of a document as it is when unpacked: what fuzzers reach through an archive
/// only by chance. Nothing comes of what is no such part.
pub fn part(kind: Kind, content: &[u8]) -> Vec<Block> {
    let text = std::str::from_utf8(content).ok();
    let Some(root) = text.and_then(|text| xml::tree(text).ok()) else {
        return Vec::new();
    };
    match kind {
        Kind::Word => word::body(&root, None).unwrap_or_default().blocks,
        Kind::Sheet => sheet::rows(&root, &[], &[true, true], &mut 0)
            .map(|rows| vec![Block::Grid(rows)])
            .unwrap_or_default(),
        Kind::Slides => slides::slide(&root).blocks,
        Kind::Text => Vec::new(),
    }
}
