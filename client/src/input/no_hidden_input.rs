//! Stands in the place of `hidden_input.rs` in a build without the features `closed` and `edit`, which asks
//! for no passphrase.

/// A terminal on which nothing is hidden.
pub(crate) struct HiddenInput;

impl HiddenInput {
    pub(crate) fn new() -> HiddenInput {
        HiddenInput
    }

    pub(crate) fn hide(&self, _asked_before: bool) {}

    pub(crate) fn hide_again(&self) {}

    pub(crate) fn show(&self) {}
}
