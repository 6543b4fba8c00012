//! The Python with PyTorch.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::succeed;

/// What the scripts import.
const IMPORTS: &str = "import numpy, safetensors, torch";

/// Where the packages that are installed are written down, so that a second start needs no network.
const STAMP: &str = "installed.txt";

/// The Python at `given`, if it has what the scripts import.
///
/// # Errors
///
/// If there is no such program, or a package is missing.
pub fn given(given: &Path, requirements: &Path) -> Result<PathBuf, String> {
    let python = given.display();
    succeed(Command::new(given).args(["-c", IMPORTS])).map_err(|error| {
        format!(
            "--python {python}: {error}; it needs what {0} names: {python} -m pip install -r {0}",
            requirements.display()
        )
    })?;
    Ok(given.to_owned())
}

/// The Python of the virtual environment in `folder`; made with `python3` and filled from
/// `requirements` when it is not there or was filled from other ones.
///
/// # Errors
///
/// If there is no `python3`, it has no `venv`, or the packages cannot be fetched. Every message says
/// what to do.
pub fn environment(folder: &Path, requirements: &Path) -> Result<PathBuf, String> {
    environment_of("python3".as_ref(), folder, requirements)
}

fn environment_of(python3: &OsStr, folder: &Path, requirements: &Path) -> Result<PathBuf, String> {
    let python = folder.join(if cfg!(windows) {
        "Scripts/python.exe"
    } else {
        "bin/python"
    });
    let wanted = fs::read_to_string(requirements)
        .map_err(|error| format!("{}: {error}", requirements.display()))?;
    let stamp = folder.join(STAMP);
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    succeed(Command::new(python3).arg("--version")).map_err(|error| {
        format!("{error}; install Python 3 or name one that has PyTorch with --python PATH")
    })?;
    eprintln!(
        "{} is filled with PyTorch from PyPI: about 6 GB, once; --python PATH takes another Python",
        folder.display()
    );
    succeed(Command::new(python3).args(["-m", "venv"]).arg(folder))
        .map_err(|error| format!("{error}; on Debian and Ubuntu: apt-get install python3-venv"))?;
    let install = ["-m", "pip", "install", "--disable-pip-version-check", "-r"];
    succeed(Command::new(&python).args(install).arg(requirements)).map_err(|error| {
        format!("{error}; is there a network? What is there already is kept for the next time")
    })?;
    fs::write(&stamp, wanted).map_err(|error| format!("{}: {error}", stamp.display()))?;
    Ok(python)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::program::ALONE;

    /// A folder of this test alone, with a program in it that behaves as told.
    fn fake(test: &str, script: &str) -> (PathBuf, PathBuf) {
        let folder = std::env::temp_dir().join(format!("xtask-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("requirements.txt"), "torch==1\n").unwrap();
        let python = folder.join("python3");
        fs::write(&python, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
        (folder, python)
    }

    fn failure(test: &str, script: &str) -> String {
        let (folder, python) = fake(test, script);
        let requirements = folder.join("requirements.txt");
        let result = environment_of(python.as_os_str(), &folder.join("venv"), &requirements);
        fs::remove_dir_all(folder).unwrap();
        result.unwrap_err()
    }

    #[test]
    fn no_python_is_said() {
        let _alone = ALONE.lock();
        let nowhere = Path::new("/nowhere/venv");
        let (folder, _) = fake("none", "");
        let requirements = folder.join("requirements.txt");
        let error = environment_of("no-such-python".as_ref(), nowhere, &requirements).unwrap_err();
        fs::remove_dir_all(folder).unwrap();
        assert!(
            error.contains("no-such-python") && error.contains("--python PATH"),
            "{error}"
        );
    }

    #[test]
    fn no_venv_module_is_said() {
        let _alone = ALONE.lock();
        let error = failure("venv", r#"[ "$1" = --version ]"#);
        assert!(
            error.contains("-m venv") && error.contains("python3-venv"),
            "{error}"
        );
    }

    /// Stands for a Python whose environments have a pip that reaches nobody.
    const OFFLINE: &str = r#"
[ "$1" = --version ] && exit 0
mkdir -p "$3/bin"
printf '#!/bin/sh\nexit 1\n' > "$3/bin/python"
chmod +x "$3/bin/python""#;

    #[test]
    fn no_network_is_said_and_the_next_start_tries_again() {
        let _alone = ALONE.lock();
        let error = failure("network", OFFLINE);
        assert!(error.contains("is there a network?"), "{error}");
    }

    #[test]
    fn a_filled_environment_is_used_as_it_is_until_the_requirements_change() {
        let _alone = ALONE.lock();
        let script = OFFLINE.replace("exit 1", "exit 0");
        let (folder, python) = fake("filled", &script);
        let (venv, requirements) = (folder.join("venv"), folder.join("requirements.txt"));
        let made = environment_of(python.as_os_str(), &venv, &requirements).unwrap();
        assert_eq!(made, venv.join("bin/python"));
        let nobody: &OsStr = "no-such-python".as_ref();
        assert_eq!(environment_of(nobody, &venv, &requirements).unwrap(), made);
        fs::write(&requirements, "torch==2\n").unwrap();
        assert!(environment_of(nobody, &venv, &requirements).is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_given_python_without_pytorch_is_refused() {
        let _alone = ALONE.lock();
        let (folder, python) = fake("given", "exit 1");
        let requirements = folder.join("requirements.txt");
        let error = given(&python, &requirements).unwrap_err();
        fs::remove_dir_all(folder).unwrap();
        assert!(
            error.starts_with("--python") && error.contains("pip install -r"),
            "{error}"
        );
    }
}
