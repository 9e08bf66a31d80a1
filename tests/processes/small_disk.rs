//! A small disk of a test's own, in memory.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::folder::Folder;

pub struct SmallDisk(Folder);

impl SmallDisk {
    /// `None` on a machine that mounts nothing for us; it says which test it goes without.
    pub fn mount(test: &str, size: &str) -> Option<Self> {
        let disk = Self(Folder::new());
        std::fs::create_dir(disk.path()).unwrap();
        let options = format!("size={size}");
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(disk.path()).output();
        if mount.is_ok_and(|done| done.status.success()) {
            return Some(disk);
        }
        eprintln!("NOT RUN, 1: {test}: no disk in memory can be mounted here (only root can, on Linux)");
        None
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("disk")
    }

    fn filler(&self) -> PathBuf {
        self.path().join("filler")
    }

    /// Takes all the space that is left.
    pub fn fill(&self) {
        let mut filler = std::fs::File::create(self.filler()).unwrap();
        while filler.write_all(&[0; 4096]).is_ok() {}
    }

    pub fn give_space(&self) {
        std::fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}
