//! The scenarios, one file per property.
