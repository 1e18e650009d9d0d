//! How much memory the process's control group leaves it. A page that is touched beyond the limit ends some process of the
//! group, at a place that can answer nobody; so what is about to grow asks before.
//!
//! Page cache counts as free: the kernel gives it up first. Nothing here allocates.

use super::files;
use std::ffi::CStr;
use std::io::Write;

/// One part in so many is left to the rest of the program.
const KEPT: u64 = 16;

/// Bytes that may still be taken; None without a limit, or where it is not to be seen.
pub fn headroom() -> Option<u64> {
    files::parse(c"/proc/self/cgroup", |groups| Some(groups.lines().filter_map(of_group).min()))?
}

/// The headroom that a line of `/proc/self/cgroup` stands for.
fn of_group(line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    if controllers.is_empty() {
        // Version 2: every level up to the root may limit.
        return super::cpu::levels(path)
            .filter_map(|level| of_level("/sys/fs/cgroup", level, "memory.max", "memory.current", ""))
            .min();
    }
    if !controllers.split(',').any(|c| c == "memory") {
        return None;
    }
    // Version 1. A container may see its own group as the root.
    let of = |path| of_level("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_");
    super::cpu::levels(path).filter_map(of).min()
}

fn of_level(root: &str, level: &str, limit: &str, usage: &str, prefix: &str) -> Option<u64> {
    let number = |file| read(root, level, file, |text| text.trim().parse::<u64>().ok());
    // "max" does not parse; version 1 has a huge number.
    let limit = number(limit).filter(|&l| l < 1 << 60)?;
    let usage = number(usage)?;
    let cache = read(root, level, "memory.stat", |text| Some(cache(text, prefix))).unwrap_or(0);
    Some((limit - limit / KEPT + cache).saturating_sub(usage))
}

/// The page cache in the text of a `memory.stat`.
fn cache(text: &str, prefix: &str) -> u64 {
    let of = |line: &str| {
        let (name, value) = line.split_once(' ')?;
        let name = name.strip_prefix(prefix)?;
        matches!(name, "inactive_file" | "active_file").then(|| value.trim().parse::<u64>().ok())?
    };
    text.lines().filter_map(of).sum()
}

fn read<T>(root: &str, level: &str, file: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    let mut path = [0u8; 512];
    write!(&mut path[..], "{root}{level}/{file}\0").ok()?;
    files::parse(CStr::from_bytes_until_nul(&path).ok()?, parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_cache_is_what_the_kernel_gives_up() {
        let v2 = "anon 4096\nfile 9000\ninactive_file 3000\nactive_file 500\n";
        assert_eq!(cache(v2, ""), 3500);
        let v1 = "inactive_file 1\nhierarchical_memory_limit 77\ntotal_inactive_file 40\ntotal_active_file 2\n";
        assert_eq!(cache(v1, "total_"), 42);
        assert_eq!(cache("", ""), 0);
    }

    #[test]
    fn strange_lines_are_no_limit() {
        assert_eq!(of_group(""), None);
        assert_eq!(of_group("3:cpu:/x"), None);
        assert_eq!(of_group("0::/no/such/group/anywhere"), None);
    }
}
