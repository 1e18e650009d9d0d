//! How many processors this process may use, as Go counts them: the CPUs of the affinity mask, lowered to the
//! cgroup's CPU quota rounded up, but not below 2 where the mask has 2.

use std::fs;

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

/// The default number of Ps.
pub fn default_procs() -> usize {
    let cpus = affinity();
    match quota() {
        Some(limit) if limit < cpus => limit.max(cpus.min(2)),
        _ => cpus,
    }
}

/// The cgroup's CPU quota in processors, rounded up; None if there is none.
fn quota() -> Option<usize> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let found = if controllers.is_empty() {
            // Version 2: every level up to the root may limit.
            levels(path).filter_map(|p| v2(&fs::read_to_string(format!("/sys/fs/cgroup{p}/cpu.max")).ok()?)).min()
        } else if controllers.split(',').any(|c| c == "cpu") {
            levels(path)
                .filter_map(|p| {
                    let dir = format!("/sys/fs/cgroup/cpu{p}");
                    let quota = fs::read_to_string(format!("{dir}/cpu.cfs_quota_us")).ok()?;
                    let period = fs::read_to_string(format!("{dir}/cpu.cfs_period_us")).ok()?;
                    ratio(quota.trim(), period.trim())
                })
                .min()
        } else {
            None
        };
        least = [least, found].into_iter().flatten().min();
    }
    least
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
    let (quota, period) = text.trim().split_once(' ')?;
    ratio(quota, period)
}

fn ratio(quota: &str, period: &str) -> Option<usize> {
    // A quota of -1 or "max" is none, and does not parse.
    let (q, p): (usize, usize) = (quota.parse().ok()?, period.parse().ok()?);
    (q > 0 && p > 0).then(|| q.div_ceil(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_round_up() {
        assert_eq!(v2("max 100000\n"), None);
        assert_eq!(v2("150000 100000\n"), Some(2));
        assert_eq!(v2("50000 100000\n"), Some(1));
        assert_eq!(ratio("-1", "100000"), None);
        assert_eq!(ratio("200000", "100000"), Some(2));
    }

    #[test]
    fn every_level_is_looked_at() {
        assert_eq!(levels("/a/b").collect::<Vec<_>>(), ["/a/b", "/a", ""]);
        assert_eq!(levels("/").collect::<Vec<_>>(), [""]);
    }

    #[test]
    fn at_least_one() {
        assert!(affinity() >= 1);
        assert!(default_procs() >= 1);
    }
}
