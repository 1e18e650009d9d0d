//! How many processors this process may use, as Go counts them: the CPUs of the affinity mask, lowered to the
//! cgroup's CPU quota rounded up, but not below 2 where the mask has 2.

use super::files;
use std::ffi::CStr;

/// CPUs in the calling thread's affinity mask, at least 1.
pub fn affinity() -> usize {
    // SAFETY: the set is plain data, and the kernel writes at most its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of_val(&set), &mut set) == 0 {
            return (libc::CPU_COUNT(&set) as usize).max(1);
        }
        // More CPUs than the set has room for.
        (libc::sysconf(libc::_SC_NPROCESSORS_ONLN)).max(1) as usize
    }
}

/// The default number of Ps; None when no memory is left to find out.
pub fn default_procs() -> Option<usize> {
    let cpus = affinity();
    Some(match quota(&mut Space::new()?) {
        Some(limit) if limit < cpus => limit.max(cpus.min(2)),
        _ => cpus,
    })
}

/// Room for the list of this process's groups, of which there are a dozen at most, and for a file of one.
struct Space {
    groups: Vec<u8>,
    path: Vec<u8>,
    file: [u8; 64],
}

impl Space {
    const GROUPS: usize = 64 << 10;
    /// The longest path that the kernel takes, with what goes around it.
    const PATH: usize = 4096 + 128;

    fn new() -> Option<Space> {
        let (mut groups, mut path) = (Vec::new(), Vec::new());
        groups.try_reserve_exact(Self::GROUPS).ok()?;
        path.try_reserve_exact(Self::PATH).ok()?;
        groups.resize(Self::GROUPS, 0);
        Some(Space { groups, path, file: [0; 64] })
    }
}

/// The cgroup's CPU quota in processors, rounded up; None if there is none.
fn quota(space: &mut Space) -> Option<usize> {
    let Space { groups, path: room, file } = space;
    let groups = str::from_utf8(files::read(c"/proc/self/cgroup", groups)?).ok()?;
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let found = if controllers.is_empty() {
            // Version 2: every level up to the root may limit.
            levels(path).filter_map(|p| v2(read(room, file, ["/sys/fs/cgroup", p, "/cpu.max"])?)).min()
        } else if controllers.split(',').any(|c| c == "cpu") {
            let number = |room: &mut Vec<u8>, file: &mut [u8], p, name| {
                read(room, file, ["/sys/fs/cgroup/cpu", p, name])?.trim().parse().ok()
            };
            levels(path)
                .filter_map(|p| {
                    let quota: i64 = number(room, file, p, "/cpu.cfs_quota_us")?;
                    let period: i64 = number(room, file, p, "/cpu.cfs_period_us")?;
                    ratio(quota, period)
                })
                .min()
        } else {
            None
        };
        least = [least, found].into_iter().flatten().min();
    }
    least
}

/// The contents of a file whose path is put together in `room`, which has the room already.
fn read<'a>(room: &mut Vec<u8>, file: &'a mut [u8], path: [&str; 3]) -> Option<&'a str> {
    if path.iter().map(|p| p.len()).sum::<usize>() >= room.capacity() {
        return None;
    }
    room.clear();
    path.iter().for_each(|p| room.extend_from_slice(p.as_bytes()));
    room.push(0);
    str::from_utf8(files::read(CStr::from_bytes_until_nul(room).ok()?, file)?).ok()
}

/// `/a/b`, `/a` and the root.
pub fn levels(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(path.trim_end_matches('/'));
    std::iter::from_fn(move || {
        let now = rest?;
        rest = now.rfind('/').map(|i| &now[..i]);
        Some(now)
    })
}

fn v2(text: &str) -> Option<usize> {
    // A quota of "max" is none, and does not parse.
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota.parse().ok()?, period.parse().ok()?)
}

fn ratio(quota: i64, period: i64) -> Option<usize> {
    // A quota of -1 is none.
    (quota > 0 && period > 0).then(|| (quota as u64).div_ceil(period as u64) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_round_up() {
        assert_eq!(v2("max 100000\n"), None);
        assert_eq!(v2("150000 100000\n"), Some(2));
        assert_eq!(v2("50000 100000\n"), Some(1));
        assert_eq!(ratio(-1, 100_000), None);
        assert_eq!(ratio(200_000, 100_000), Some(2));
    }

    #[test]
    fn files_of_groups_are_read() {
        let mut space = Space::new().unwrap();
        let Space { path, file, .. } = &mut space;
        let text = read(path, file, ["/proc", "/self", "/comm"]).unwrap();
        assert_eq!(text.trim(), std::fs::read_to_string("/proc/self/comm").unwrap().trim());
        assert!(read(path, file, ["/proc", "/self", "/nothing"]).is_none());
        assert!(read(path, file, ["/", &"long/".repeat(2000), "name"]).is_none());
    }

    #[test]
    fn every_level_is_looked_at() {
        assert_eq!(levels("/a/b").collect::<Vec<_>>(), ["/a/b", "/a", ""]);
        assert_eq!(levels("/").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn at_least_one() {
        assert!(affinity() >= 1);
        assert!(default_procs().unwrap() >= 1);
    }
}
