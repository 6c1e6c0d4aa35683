//! The pictures on the pages of the steps: drawn again, or compared with what the steps do now.

use crate::{
    picture,
    target::{folder, Target},
    trace, way,
};
use chat_tests::process::target_folder;
use std::fs;

/// The numbers of the steps that exist.
fn steps() -> impl Iterator<Item = u32> {
    (0..10).filter(|step| folder(*step).is_ok())
}

/// Draws a message's way through a step: lets it happen, with a trace, and draws what the trace shows.
///
/// # Errors
/// When the step does not build, or when nobody can join or speak.
fn picture_of(step: u32) -> Result<String, String> {
    let traces = target_folder().join("course");
    fs::create_dir_all(&traces).map_err(|error| format!("{}: {error}", traces.display()))?;
    let file = traces.join(format!("way-{step}.json"));
    trace::record(&Target::Step(step).build()?, &file)?;
    let way = way::find(&trace::read(&file)?)?;
    Ok(picture::draw(&format!("Step {step}: the way of a message"), &way))
}

/// Draws the pictures of all steps, and returns the steps whose pages have another one.
///
/// # Errors
/// As [`picture_of`].
pub fn old_pictures() -> Result<Vec<u32>, String> {
    let mut old = Vec::new();
    for step in steps() {
        let kept = fs::read_to_string(folder(step)?.join(PICTURE)).unwrap_or_default();
        if picture_of(step)? != kept {
            old.push(step);
        }
    }
    Ok(old)
}

/// Draws the pictures of all steps again, into their folders.
///
/// # Errors
/// As [`picture_of`], and when a picture cannot be written.
pub fn draw_all() -> Result<(), String> {
    steps().try_for_each(|step| {
        let file = folder(step)?.join(PICTURE);
        fs::write(&file, picture_of(step)?).map_err(|error| format!("{}: {error}", file.display()))
    })
}

/// The file of a step's picture.
const PICTURE: &str = "way.svg";
