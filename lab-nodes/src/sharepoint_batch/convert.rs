//! The text of Office documents (ECMA-376): paragraphs, cells, slides.

use std::io::{Cursor, Read};

use quick_xml::Reader;
use quick_xml::events::Event;
use zip::ZipArchive;

/// Most files of a document that are looked at.
const MOST_FILES: usize = 1000;
/// Most bytes that all of them become.
const LONGEST: u64 = 16 << 20;

/// The text of a docx, pptx or xlsx; none: it is none, or its content is longer than it may be.
pub fn office_text(bytes: &[u8]) -> Option<String> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut names: Vec<String> = archive
        .file_names()
        .take(MOST_FILES)
        .filter_map(Result::ok)
        .filter(|name| holds_text(name))
        .map(std::borrow::Cow::into_owned)
        .collect();
    // Slides in their order: slide10 comes behind slide9.
    names.sort_by_key(|name| (name.len(), name.clone()));
    if names.is_empty() {
        return None;
    }
    let mut text = String::new();
    let mut left = LONGEST;
    for name in names {
        let mut content = Vec::new();
        let file = archive.by_name(&name).ok()?;
        // What a file says of its length is not trusted.
        file.take(left + 1).read_to_end(&mut content).ok()?;
        left = left.checked_sub(content.len() as u64)?;
        add_text(&content, &mut text)?;
    }
    Some(text.trim().to_owned())
}

fn holds_text(name: &str) -> bool {
    let slide = name.starts_with("ppt/slides/slide") && name.ends_with(".xml");
    slide || name == "word/document.xml" || name == "xl/sharedStrings.xml"
}

/// What stands in elements `t`; a paragraph or a string ends a line.
fn add_text(content: &[u8], text: &mut String) -> Option<()> {
    let mut reader = Reader::from_reader(content);
    let mut buffer = Vec::new();
    let mut inside = false;
    loop {
        match reader.read_event_into(&mut buffer).ok()? {
            Event::Start(element) => inside = element.local_name().as_ref() == "t",
            Event::End(element) => {
                inside = false;
                if matches!(element.local_name().as_ref(), "p" | "si") {
                    text.push('\n');
                }
            }
            Event::Empty(element) => match element.local_name().as_ref() {
                "tab" => text.push('\t'),
                "br" => text.push('\n'),
                _ => {}
            },
            Event::Text(piece) if inside => {
                text.push_str(&piece);
            }
            Event::GeneralRef(name) if inside => text.push(match name.as_ref() {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => name
                    .resolve_char_ref()
                    .ok()?
                    .unwrap_or(char::REPLACEMENT_CHARACTER),
            }),
            Event::Eof => return Some(()),
            _ => {}
        }
        buffer.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn document(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in files {
            writer
                .start_file(*name, SimpleFileOptions::default())
                .expect("a file");
            writer.write_all(content).expect("written");
        }
        writer.finish().expect("a document").into_inner()
    }

    #[test]
    fn paragraphs_and_slides_are_lines() {
        let word =
            br#"<w:document xmlns:w="x"><w:body><w:p><w:r><w:t>One &amp; two</w:t></w:r></w:p>
            <w:p><w:r><w:t>Three</w:t></w:r></w:p></w:body></w:document>"#;
        let docx = document(&[
            ("word/document.xml", word),
            ("word/other.xml", b"<t>no</t>"),
        ]);
        assert_eq!(office_text(&docx).as_deref(), Some("One & two\nThree"));
        let slide =
            |text: &str| format!("<p:sld><a:p><a:t>{text}</a:t></a:p></p:sld>").into_bytes();
        let (two, ten) = (slide("two"), slide("ten"));
        let pptx = document(&[
            ("ppt/slides/slide10.xml", &ten),
            ("ppt/slides/slide2.xml", &two),
        ]);
        assert_eq!(office_text(&pptx).as_deref(), Some("two\nten"));
    }

    #[test]
    fn what_is_no_document_or_grows_too_large_is_none() {
        assert_eq!(office_text(b"PK\x03\x04"), None);
        assert_eq!(office_text(&document(&[("x", b"y")])), None);
        let bomb = vec![b' '; LONGEST as usize + 1];
        let bomb = document(&[("word/document.xml", &bomb)]);
        assert!(bomb.len() < 100_000);
        assert_eq!(office_text(&bomb), None);
    }
}
