//! Stands in the place of the editor in a build without the feature `edit`. There is never a value of its
//! type.

use crate::{
    events::UiEvent,
    input::{Person, Typed},
    screen::Screen,
};
use std::{
    io::{self, BufRead},
    sync::Arc,
};

/// The terminal on which a person edits.
pub enum Editor {}

impl Editor {
    /// Without an editor, nobody can open one.
    ///
    /// # Errors
    /// Always.
    pub fn open(_screen: &Arc<Screen>) -> io::Result<Arc<Editor>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Gives the terminal back as it was.
    pub fn close(&self) {
        match *self {}
    }

    /// Takes names for completion from an event.
    pub fn hear(&self, _event: &UiEvent) {
        match *self {}
    }

    /// The life of the thread `stdin`.
    pub fn edit_loop(&self, _keyboard: impl BufRead, _person: &Person, _pass: &mut dyn FnMut(Typed) -> bool) {
        match *self {}
    }
}
