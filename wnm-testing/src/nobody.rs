//! Nobody is a user who owns nothing. Root may do everything, so that missing rights cannot be tried as root.

use rustix::process::{Gid, Uid, geteuid};

/// Acts as nobody where this user may become that, which is as root; otherwise as this user.
///
/// # Panics
/// When `act` does.
pub fn as_nobody<T: Send>(act: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if geteuid().is_root() {
                // Of this thread only.
                let (uid, gid) = (Uid::from_raw(65_534), Gid::from_raw(65_534));
                rustix::thread::set_thread_res_gid(gid, gid, gid).expect("root may become anybody");
                rustix::thread::set_thread_res_uid(uid, uid, uid).expect("root may become anybody");
            }
            act()
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
