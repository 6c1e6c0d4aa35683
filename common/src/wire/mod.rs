//! The wire: values, their bytes, and connections that carry them. The documentation of the crate specifies
//! it. Runs on its callers' threads.

pub mod batch;
pub mod codec;
pub mod error;
pub mod frame;
pub mod hello;
pub mod json;
pub mod last_messages;
pub mod protocol;
pub mod rpc;
#[cfg(feature = "closed")]
pub mod seal;
pub mod status;
pub mod stream;
pub mod token;
