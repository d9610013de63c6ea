//! The key that signs every pool's tokens, kept in the cloud's directory so that tokens outlive a restart.
//!
//! The emulator holds one such key per process. Invariant: the file in every directory opened by this
//! process holds the key in use.

use std::{
    io,
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::durable;

/// Where the emulator looks for its key, below the directory it is given.
const FILE: &str = "cognito-signing-key.der";

#[derive(Debug, thiserror::Error)]
pub enum SigningKeyError {
    #[error("its file cannot be used")]
    File(#[from] io::Error),
    #[error("this process already signs with another key")]
    Another,
}

/// The key's bytes once it is in use: the emulator takes it once and does not give it back.
static IN_USE: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Makes the key of `dir` the one in use, making it first when there is none.
pub(super) fn install(dir: &Path) -> Result<(), SigningKeyError> {
    let path = dir.join(FILE);
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    match (in_use.as_ref(), durable::read(&path)?) {
        (Some(key), Some(stored)) if *key == stored => Ok(()),
        (Some(_), Some(_)) => Err(SigningKeyError::Another),
        (Some(key), None) => Ok(durable::replace(&path, key)?),
        (None, _) => {
            awsim_cognito::keys::init_persistent(dir);
            durable::sync_file(&path)?;
            *in_use = durable::read(&path)?;
            Ok(())
        }
    }
}
