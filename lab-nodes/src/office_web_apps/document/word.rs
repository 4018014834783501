//! WordprocessingML (ISO/IEC 29500-1 §17): paragraphs, headings, lists and tables.

use std::collections::BTreeMap;

use super::package::Package;
use super::xml::Element;
use super::{Block, Page, Run, Unreadable};

/// What a style makes of a paragraph.
#[derive(Clone, Copy)]
enum Style {
    Heading(u8),
    List,
}

pub(super) fn read(content: &[u8]) -> Result<Vec<Page>, Unreadable> {
    let mut package = Package::open(content)?;
    let document = package.must("word/document.xml")?;
    let styles = package.part("word/styles.xml")?;
    Ok(vec![body(&document, styles.as_ref())?])
}

/// The body of a document, with these styles.
pub(super) fn body(document: &Element, styles: Option<&Element>) -> Result<Page, Unreadable> {
    let styles = styles.map(read_styles).unwrap_or_default();
    let body = document
        .at(&["body"])
        .ok_or_else(|| Unreadable::Damaged("it has no body".into()))?;
    let mut page = Page::default();
    blocks(body, &styles, &mut page.blocks);
    Ok(page)
}

fn read_styles(styles: &Element) -> BTreeMap<String, Style> {
    let style = |style: &Element| {
        let name = style.value(&["name"])?.to_ascii_lowercase();
        let means = match name.strip_prefix("heading ") {
            Some(level) => Style::Heading(level.parse::<u8>().ok()?.clamp(1, 5) + 1),
            None if name == "title" => Style::Heading(1),
            None if style.at(&["pPr", "numPr"]).is_some() => Style::List,
            None => return None,
        };
        Some((style.attribute("styleId")?.to_owned(), means))
    };
    styles.children("style").filter_map(style).collect()
}

fn blocks(around: &Element, styles: &BTreeMap<String, Style>, found: &mut Vec<Block>) {
    for element in &around.elements {
        match &*element.name {
            "p" => found.extend(paragraph(element, styles)),
            "tbl" => found.push(Block::Table(element.children("tr").map(row).collect())),
            // Content controls, and text that was put in while changes were tracked.
            "sdt" | "sdtContent" | "ins" | "customXml" | "smartTag" => {
                blocks(element, styles, found);
            }
            _ => {}
        }
    }
}

fn paragraph(paragraph: &Element, styles: &BTreeMap<String, Style>) -> Option<Block> {
    let mut runs = Vec::new();
    gather(paragraph, &mut runs);
    if runs.iter().all(|run| run.text.trim().is_empty()) {
        return None;
    }
    let style = paragraph
        .value(&["pPr", "pStyle"])
        .and_then(|id| styles.get(id));
    let numbered = paragraph.at(&["pPr", "numPr"]);
    let depth = numbered
        .and_then(|number| number.value(&["ilvl"]))
        .and_then(|level| level.parse::<u8>().ok())
        .map_or(0, |level| level.min(8));
    Some(match (style, numbered) {
        (Some(Style::Heading(level)), _) => Block::Heading(*level, plain(&runs)),
        (Some(Style::List), _) | (_, Some(_)) => Block::Item(depth, runs),
        _ => Block::Paragraph(runs),
    })
}

fn row(row: &Element) -> Vec<String> {
    row.children("tc").map(cell_text).collect()
}

fn cell_text(cell: &Element) -> String {
    let lines = cell
        .elements
        .iter()
        .filter_map(|element| match &*element.name {
            "p" => {
                let mut runs = Vec::new();
                gather(element, &mut runs);
                Some(plain(&runs))
            }
            // A table in a cell is read along its rows.
            "tbl" => Some(
                element
                    .children("tr")
                    .map(|inner| row(inner).join("\t"))
                    .collect::<Vec<_>>()
                    .join("\n"),
            ),
            _ => None,
        });
    lines.collect::<Vec<_>>().join("\n")
}

fn plain(runs: &[Run]) -> String {
    runs.iter().map(|run| run.text.as_str()).collect()
}

/// The runs of a paragraph, those in links and insertions, too; what was deleted is left out.
fn gather(around: &Element, runs: &mut Vec<Run>) {
    for element in &around.elements {
        match &*element.name {
            "r" => runs.push(run(element)),
            "hyperlink" | "ins" | "sdt" | "sdtContent" | "smartTag" | "fldSimple" => {
                gather(element, runs);
            }
            _ => {}
        }
    }
}

fn run(run: &Element) -> Run {
    let on = |name| {
        run.at(&["rPr", name])
            .is_some_and(|set| !matches!(set.attribute("val"), Some("0" | "false" | "off")))
    };
    let mut text = String::new();
    for element in &run.elements {
        match &*element.name {
            "t" => text.push_str(&element.text),
            "tab" => text.push('\t'),
            "br" | "cr" => text.push('\n'),
            "noBreakHyphen" => text.push('-'),
            _ => {}
        }
    }
    Run {
        text,
        bold: on("b"),
        italic: on("i"),
    }
}
