//! Who somebody is: the names and the hosts of clients, and what is kept about them. Any thread may use the
//! tables; nothing here knows a connection.

mod alike;
mod ban;
mod ban_file;
mod bans;
mod by_name;
mod client_key;
mod host;
mod kept_names;
pub(crate) mod name;
mod origin;
mod scripts;
mod terms;
#[cfg(test)]
mod tests;

pub(crate) use alike::{fold, Name};
pub(crate) use ban::Ban;
pub(crate) use bans::Bans;
pub(crate) use by_name::ByName;
pub(crate) use client_key::{key_of, ClientKey};
pub(crate) use host::Host;
pub(crate) use kept_names::KeptNames;
pub(crate) use origin::{Origin, ShownAddress};
pub(crate) use terms::{Terms, TypedTerms};

/// The mode of a file of bans or names that is new, less what the user's mask takes away.
const NEW_FILE_MODE: u32 = 0o666;
