//! PresentationML (ISO/IEC 29500-1 §19): the text of slides, with titles, lists and tables.

use super::package::Package;
use super::xml::Element;
use super::{Block, Page, Run, Unreadable};

/// Most slides that are shown.
const MOST_SLIDES: usize = 500;

pub(super) fn read(content: &[u8]) -> Result<Vec<Page>, Unreadable> {
    let mut package = Package::open(content)?;
    let presentation = package.must("ppt/presentation.xml")?;
    let relations = package.relations("ppt/presentation.xml")?;
    let list = presentation.at(&["sldIdLst"]).into_iter();
    let mut pages = Vec::new();
    for slide in list.flat_map(|list| list.children("sldId")) {
        let Some(part) = slide.relation().and_then(|id| relations.get(id)) else {
            continue;
        };
        if pages.len() == MOST_SLIDES {
            return Err(Unreadable::TooLarge(format!(
                "it has more than {MOST_SLIDES} slides"
            )));
        }
        let slide = package.must(part)?;
        pages.push(self::slide(&slide));
    }
    Ok(pages)
}

/// A slide.
pub(super) fn slide(slide: &Element) -> Page {
    let mut page = Page::default();
    if let Some(tree) = slide.at(&["cSld", "spTree"]) {
        shapes(tree, &mut page);
    }
    page
}

fn shapes(around: &Element, page: &mut Page) {
    for shape in &around.elements {
        match &*shape.name {
            "sp" => text_of(shape, page),
            "grpSp" => shapes(shape, page),
            "graphicFrame" => {
                if let Some(table) = shape.at(&["graphic", "graphicData", "tbl"]) {
                    let row = |row: &Element| row.children("tc").map(cell).collect();
                    let rows = table.children("tr").map(row).collect();
                    page.blocks.push(Block::Table(rows));
                }
            }
            _ => {}
        }
    }
}

fn text_of(shape: &Element, page: &mut Page) {
    let Some(body) = shape.at(&["txBody"]) else {
        return;
    };
    let placeholder = shape.at(&["nvSpPr", "nvPr", "ph"]);
    let kind = placeholder.map(|place| place.attribute("type").unwrap_or("body"));
    if matches!(kind, Some("title" | "ctrTitle")) {
        let title = lines(body).join(" ");
        if !title.trim().is_empty() {
            page.title = Some(title);
        }
        return;
    }
    // Numbers, dates and feet are the same on every slide.
    if matches!(kind, Some("sldNum" | "dt" | "ftr")) {
        return;
    }
    for paragraph in body.children("p") {
        let runs = runs(paragraph);
        if runs.iter().all(|run| run.text.trim().is_empty()) {
            continue;
        }
        let level = paragraph
            .at(&["pPr"])
            .and_then(|looks| looks.attribute("lvl")?.parse::<u8>().ok())
            .map_or(0, |level| level.min(8));
        page.blocks.push(match kind {
            Some("body" | "obj") => Block::Item(level, runs),
            _ => Block::Paragraph(runs),
        });
    }
}

fn cell(cell: &Element) -> String {
    cell.at(&["txBody"])
        .map_or(String::new(), |body| lines(body).join("\n"))
}

fn lines(body: &Element) -> Vec<String> {
    let line = |paragraph| runs(paragraph).into_iter().map(|run| run.text).collect();
    body.children("p").map(line).collect()
}

fn runs(paragraph: &Element) -> Vec<Run> {
    let run = |element: &Element| match &*element.name {
        "r" | "fld" => {
            let on = |name| {
                let looks = element.at(&["rPr"])?;
                looks.attribute(name).map(|on| on == "1" || on == "true")
            };
            Some(Run {
                text: element.at(&["t"])?.text.clone(),
                bold: on("b") == Some(true),
                italic: on("i") == Some(true),
            })
        }
        "br" => Some(Run {
            text: "\n".into(),
            ..Run::default()
        }),
        _ => None,
    };
    paragraph.elements.iter().filter_map(run).collect()
}
