//! Whatever stands in a lab file, it is reported and rendered, never a panic.

mod fake;

use lab_core::check::{Source, load, render};

/// A fixed sequence (xorshift): the same files in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides.max(1) as u64).unwrap_or(0)
    }
}

#[test]
fn garbled_files_are_reported_and_rendered() {
    let folder = std::env::temp_dir().join(format!("tierlab-garbled-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("lab.yaml");
    std::fs::write(folder.join("note.txt"), "a note").expect("written");
    let whole = [
        include_str!("labs/good.yaml"),
        include_str!("labs/names.yaml"),
    ]
    .concat()
    .replace("include: [names.yaml]\n", "");
    let bits = [
        "",
        "{",
        "}",
        "[",
        "]",
        ":",
        " ",
        "\n",
        "- ",
        "null",
        "-1",
        ".",
        ".0",
        "any",
        "ä",
        "\"",
        "*a",
        "&a ",
        "0.0.0.0/0",
        "::/0",
        "99999999999",
        "\t",
        "# ",
        "count: 3",
        "\u{0}",
        "\r\n",
        "'",
    ];
    let mut dice = Dice(0x7169_6572_6c61_6221);
    let mut checked_whole = 0;
    for _ in 0..3000 {
        let mut text = whole.clone();
        for _ in 0..=dice.roll(3) {
            let mut start = dice.roll(text.len());
            while !text.is_char_boundary(start) {
                start -= 1;
            }
            let mut end = (start + dice.roll(8)).min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.replace_range(start..end.max(start), bits[dice.roll(bits.len())]);
        }
        std::fs::write(&path, &text).expect("written");
        let source = Source::File {
            path: path.clone(),
            overlays: Vec::new(),
        };
        let checked = load(&source, fake::CATALOGUE);
        assert_eq!(checked.lab.is_none(), checked.has_errors(), "{text}");
        assert_eq!(
            checked.diagnostics.is_empty(),
            render(&checked, false).is_empty()
        );
        checked_whole += usize::from(checked.lab.is_some());
    }
    std::fs::remove_dir_all(&folder).expect("removed");
    // Most changes break the file, some do not: both ways were gone.
    assert!(
        (20..2900).contains(&checked_whole),
        "{checked_whole} of 3000 were in order"
    );
}
