//! The lines of a file that a report shows.

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

/// Most bytes of a line shown before and after the place that is meant: enough for any line that
/// a person wrote.
const LONGEST: usize = 500;

/// A file's text for a report: of a span whole lines are shown, and no more than those, so
/// that places far apart do not drag in all that lies between.
#[derive(Clone, Debug)]
pub(super) struct Lines {
    pub(super) name: String,
    pub(super) text: String,
}

impl SourceCode for Lines {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let end = span.offset() + span.len();
        let head = self
            .text
            .get(..span.offset())
            .ok_or(MietteError::OutOfBounds)?;
        let tail = self.text.get(end..).ok_or(MietteError::OutOfBounds)?;
        let line = head.matches('\n').count();
        let line_start = head.rfind('\n').map_or(0, |at| at + 1);
        // The report asks for a span alone to say where it starts, and with lines around it
        // to show it.
        let (start, stop, column) = if before + after == 0 {
            let column = self
                .text
                .get(line_start..span.offset())
                .unwrap_or("")
                .chars()
                .count();
            (span.offset(), end, column)
        } else {
            let start = line_start.max(span.offset().saturating_sub(LONGEST));
            let stop = end + tail.find('\n').unwrap_or(tail.len()).min(LONGEST);
            (
                self.text.ceil_char_boundary(start),
                self.text.floor_char_boundary(stop),
                0,
            )
        };
        let data = self.text.get(start..stop).ok_or(MietteError::OutOfBounds)?;
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.clone(),
            data.as_bytes(),
            (start, stop - start).into(),
            line,
            column,
            data.matches('\n').count() + 1,
        )))
    }
}
