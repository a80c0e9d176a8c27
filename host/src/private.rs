//! Files and folders for their owner only: what holds parts of events, or is run. Elsewhere than on Unix, where there is no such
//! mode, they are as the folder above them is.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::Result,
    path::Path,
};

/// Makes a folder, and those above it, where they are not there. What is there stays as it is.
pub(crate) fn create_dir_all(dir: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(dir)
}

/// A file that is made with these options is its owner's.
pub(crate) fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options
}
