//! The words in a file.

/// Most characters of a file that are indexed.
const LONGEST: usize = 1 << 20;

/// The text of a file, by its name; of one whose form is not known, nothing.
pub(super) fn of(name: &str, bytes: &[u8]) -> String {
    let extension = name
        .rsplit_once('.')
        .map(|(_, last)| last.to_ascii_lowercase());
    match extension.as_deref() {
        Some("docx" | "pptx" | "xlsx") => {
            crate::sharepoint_batch::office_text(bytes).unwrap_or_default()
        }
        Some("txt" | "md" | "csv" | "htm" | "html" | "xml" | "json" | "aspx" | "log") | None => {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST)]);
            without_markup(&text)
        }
        _ => String::new(),
    }
}

/// Without what stands in angle brackets.
fn without_markup(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut inside = false;
    for character in text.chars() {
        match character {
            '<' => inside = true,
            '>' if inside => {
                inside = false;
                kept.push(' ');
            }
            other if !inside => kept.push(other),
            _ => {}
        }
    }
    if inside { text.to_owned() } else { kept }
}
