//! Go's `defer`: something that is done at the end of a scope, after a panic as well.

/// Calls its function when it is dropped.
#[must_use]
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}
