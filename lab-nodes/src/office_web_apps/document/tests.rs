//! Documents that other programs made (python-docx, openpyxl, python-pptx), and bad ones.

use super::*;

macro_rules! sample {
    ($name:literal) => {
        read(
            Kind::of($name).expect("a kind"),
            &Bytes::from_static(include_bytes!(concat!(
                "../../../../fuzz/corpus/document/",
                $name
            ))),
        )
    };
}

fn text(runs: &[Run]) -> String {
    runs.iter().map(|run| run.text.as_str()).collect()
}

#[test]
fn a_word_document_has_headings_runs_lists_and_tables() {
    let pages = sample!("plan.docx").expect("it is read");
    let blocks = &pages[0].blocks;
    assert_eq!(blocks[0], Block::Heading(1, "Plan for the year".into()));
    assert_eq!(blocks[1], Block::Heading(2, "Aims".into()));
    let Block::Paragraph(runs) = &blocks[2] else {
        panic!("{blocks:?}");
    };
    assert_eq!(
        text(runs),
        "A paragraph with bold and italic <script>text</script> & more."
    );
    assert!(runs.iter().any(|run| run.bold && run.text == "bold"));
    assert!(runs.iter().any(|run| run.italic && run.text == "italic"));
    assert!(matches!(&blocks[3], Block::Item(0, runs) if text(runs) == "First item"));
    assert_eq!(blocks[5], Block::Heading(3, "Numbers".into()));
    let row = |row: usize| (0..3).map(|at| format!("cell {row}.{at}")).collect();
    assert_eq!(blocks[6], Block::Table(vec![row(0), row(1)]));
    assert!(matches!(&blocks[7], Block::Paragraph(runs) if text(runs) == "Grüße aus Köln — ναι"));
}

#[test]
fn a_workbook_has_sheets_with_values_and_dates() {
    let pages = sample!("budget.xlsx").expect("it is read");
    assert_eq!(pages[0].title.as_deref(), Some("Budget"));
    let row = |values: &[&str]| {
        values
            .iter()
            .map(|&value| value.to_owned())
            .collect::<Vec<_>>()
    };
    let expected = vec![
        (1, row(&["Item", "Cost", "Due"])),
        (2, row(&["Servers", "1234.5", "2014-01-31"])),
        (3, row(&["<b>Licences</b>", "99", "2014-02-01 12:30"])),
        (7, row(&["", "", "", "", "TRUE"])),
    ];
    assert_eq!(pages[0].blocks, [Block::Grid(expected)]);
    assert_eq!(pages[1].title.as_deref(), Some("Notes"));
    assert_eq!(pages[1].blocks, [Block::Grid(vec![(2, row(&["", "far"]))])]);
}

#[test]
fn a_presentation_has_slides_with_titles_lists_and_tables() {
    let pages = sample!("review.pptx").expect("it is read");
    let titles: Vec<_> = pages.iter().map(|page| page.title.as_deref()).collect();
    assert_eq!(
        titles,
        [Some("Quarterly review"), Some("Agenda"), Some("Table")]
    );
    let list = &pages[1].blocks;
    assert!(matches!(&list[0], Block::Item(0, runs) if text(runs) == "Sales"));
    assert!(matches!(&list[1], Block::Item(1, runs) if text(runs) == "By region"));
    let row = |row: usize| (0..2).map(|at| format!("{row}/{at} & <x>")).collect();
    assert_eq!(pages[2].blocks, [Block::Table(vec![row(0), row(1)])]);
}

#[test]
fn bombs_and_tricks_are_refused() {
    let too_large = |read: Result<_, _>| matches!(read, Err(Unreadable::TooLarge(_)));
    assert!(too_large(sample!("bomb.docx")));
    assert!(too_large(sample!("deep.docx")));
    assert!(too_large(sample!("wide.xlsx")));
    assert!(too_large(sample!("many.xlsx")));
    let damaged = |read: Result<_, _>| matches!(read, Err(Unreadable::Damaged(_)));
    assert!(damaged(sample!("entities.docx")));
    assert!(damaged(sample!("external.docx")));
    for kind in [Kind::Word, Kind::Sheet, Kind::Slides] {
        for content in [&b""[..], b"PK\x03\x04", b"%PDF-1.4"] {
            assert!(damaged(read(kind, &Bytes::from_static(content))));
        }
    }
}
