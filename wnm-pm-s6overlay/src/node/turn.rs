//! A turn is one wnm's at a time: the wnm that changes nodes writes down on the volume who it is, and a call in a container
//! changes nothing when somebody else's name is there. The engine may come to a call only after its caller was killed and the
//! next wnm has looked.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use wnm_pm::process_manager::{ManagerError, Outcome};
use wnm_pm::program::write_whole;

use crate::host::caller;
use crate::{owner, storage};

/// Makes it this wnm's turn. Where there are no groups yet there is nothing to take.
///
/// # Errors
/// When another one's name is there and can be neither replaced nor removed.
pub fn take(node_storage: &Path) -> Outcome<()> {
    let (turn, own) = (storage::turn(node_storage), caller::this());
    let is_there = fs::symlink_metadata(&turn).is_ok_and(|data| data.is_file());
    if is_there && fs::read_to_string(&turn).is_ok_and(|noted| noted == own) {
        return Ok(());
    }
    let definitions = storage::definitions(node_storage);
    storage::refuse_links(&[&definitions])?;
    if !definitions.is_dir() {
        return Ok(());
    }
    let written = owner::of(&definitions).and_then(|owner| write_whole(&turn, own.as_bytes(), 0o644, Some(owner)));
    let Err(error) = written else { return Ok(()) };
    // Nodes have to be stopped on a full disk too. Without a name there anybody may.
    match fs::remove_file(&turn) {
        Err(source) if source.kind() != ErrorKind::NotFound => Err(ManagerError::io("remove", &turn, source)),
        _ => {
            tracing::warn!(%error, "a call of a killed wnm that the engine comes to late would be carried out");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn whoever_takes_the_turn_is_written_down_and_whoever_had_it_is_not() {
        let dir = tempfile::tempdir().unwrap();
        take(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "where there are no groups nothing is made");
        fs::create_dir(dir.path().join(".s6")).unwrap();
        let turn = storage::turn(dir.path());
        for before in [None, Some("1:2"), Some("")] {
            if let Some(text) = before {
                fs::write(&turn, text).unwrap();
            }
            take(dir.path()).unwrap();
            assert_eq!(fs::read_to_string(&turn).unwrap(), caller::this(), "{before:?}");
        }
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".s6")).unwrap();
        let (turn, precious) = (storage::turn(dir.path()), dir.path().join("precious"));
        for text in [String::new(), caller::this()] {
            fs::write(&precious, &text).unwrap();
            let _ = fs::remove_file(&turn);
            symlink(&precious, &turn).unwrap();
            take(dir.path()).unwrap();
            assert_eq!(fs::read_to_string(&precious).unwrap(), text);
            assert!(fs::symlink_metadata(&turn).unwrap().is_file());
        }
    }

    #[test]
    fn where_no_name_can_be_written_nobody_elses_stays() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(".s6")).unwrap();
        let turn = storage::turn(dir.path());
        fs::write(&turn, "1:2").unwrap();
        // In the way of what is written beside it.
        fs::create_dir_all(dir.path().join(".s6/turn.new/full")).unwrap();
        take(dir.path()).unwrap();
        assert!(!turn.exists());
    }
}
