//! What this kernel can do.

/// Something a lab may need of the kernel.
#[derive(Clone, Debug)]
pub struct Facility {
    /// Its name.
    pub name: &'static str,
    /// What for.
    pub needed_for: &'static str,
    /// Whether it works.
    pub state: State,
}

/// Whether a facility works.
#[derive(Clone, Debug)]
pub enum State {
    /// It was tried, and works.
    Works,
    /// It was refused; the reason.
    Missing(String),
}

/// Tries all.
pub fn survey() -> Vec<Facility> {
    Vec::new()
}
