//! Colour on a terminal.

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The colours used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// What failed.
    Red,
    /// What is well.
    Green,
    /// What needs a look.
    Yellow,
    /// What is explained.
    Cyan,
    /// What is less important.
    Grey,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Colour::Red => "31",
            Colour::Green => "32",
            Colour::Yellow => "33",
            Colour::Cyan => "36",
            Colour::Grey => "90",
        }
    }
}

/// Paints words, or leaves them as they are.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// For a stream that is a terminal, or not.
    pub fn new(when: When, terminal: bool) -> Self {
        let on = match when {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                // https://no-color.org: any value but the empty one.
                let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
                let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
                terminal && !no_colour && !dumb
            }
        };
        Self { on }
    }

    /// Whether it paints.
    pub fn is_on(self) -> bool {
        self.on
    }

    /// In a colour.
    pub fn colour(self, colour: Colour, text: &str) -> String {
        self.escape(colour.code(), text)
    }

    /// Bold.
    pub fn bold(self, text: &str) -> String {
        self.escape("1", text)
    }

    /// Bold and in a colour.
    pub fn bold_in(self, colour: Colour, text: &str) -> String {
        self.escape(&format!("1;{}", colour.code()), text)
    }

    fn escape(self, code: &str, text: &str) -> String {
        if self.on && !text.is_empty() {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Colour, Paint, When};

    #[test]
    fn colour_is_for_terminals_unless_asked_for() {
        assert!(!Paint::new(When::Auto, false).is_on());
        assert!(Paint::new(When::Always, false).is_on());
        assert!(!Paint::new(When::Never, true).is_on());
    }

    #[test]
    fn without_colour_words_stay_as_they_are() {
        assert_eq!(
            Paint::new(When::Never, true).colour(Colour::Red, "off"),
            "off"
        );
        assert_eq!(
            Paint::new(When::Always, true).colour(Colour::Red, "off"),
            "\x1b[31moff\x1b[0m"
        );
    }
}
