//! Rules about who depends on whom, and on what.

use super::Finding;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Which of our crates each may use, dependencies for tests aside. Top to bottom, and nobody reaches up.
const MAY_USE: [(&str, &[&str]); 19] = [
    ("sys", &[]),
    ("wire", &[]),
    ("child", &["sys"]),
    ("spec", &[]),
    ("seccomp", &["spec"]),
    ("cgroup", &["spec", "sys"]),
    ("net", &["sys"]),
    ("systemd", &["cgroup", "spec", "sys"]),
    ("plan", &["cgroup", "child", "seccomp", "spec"]),
    (
        "engine",
        &[
            "cgroup", "child", "plan", "seccomp", "spec", "sys", "systemd", "wire",
        ],
    ),
    ("oci", &["cgroup", "engine", "plan", "spec", "sys"]),
    ("container", &["cgroup", "engine", "plan", "spec", "sys"]),
    ("shim", &["cgroup", "engine", "spec", "sys", "wire"]),
    ("ns", &["sys"]),
    ("image", &["spec", "sys"]),
    ("front", &["image", "spec", "sys"]),
    (
        "stockade",
        &[
            "cgroup",
            "container",
            "engine",
            "front",
            "image",
            "net",
            "ns",
            "oci",
            "plan",
            "shim",
            "spec",
            "sys",
        ],
    ),
    ("bench", &[]),
    ("xtask", &[]),
];
const REGISTER: &str = "docs/dependencies.md";

/// Checks every manifest, and that each outside dependency has its line in the register.
pub(super) fn check(root: &Path) -> Result<Vec<Finding>, String> {
    let packages = packages(root)?;
    let register = fs::read_to_string(root.join(REGISTER)).unwrap_or_default();
    let mut findings = Vec::new();
    let mut outside = BTreeSet::new();
    for package in &packages {
        let name = short(text(&package["name"]));
        let manifest = manifest_path(root, package);
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let wanted = text(&dependency["name"]);
            if dependency["path"].is_null() {
                outside.insert(wanted.to_owned());
            } else if dependency["kind"].is_null() && !may_use(name, short(wanted)) {
                let what = format!(
                    "{name} may not use {} (see MAY_USE in xtask)",
                    short(wanted)
                );
                findings.push(Finding::about(&manifest, what));
            }
        }
    }
    let registered = registered(&register);
    for name in outside.difference(&registered) {
        findings.push(Finding::about(REGISTER, format!("no line for {name}")));
    }
    for name in registered.difference(&outside) {
        findings.push(Finding::about(
            REGISTER,
            format!("a line for {name}, which nobody uses"),
        ));
    }
    Ok(findings)
}

/// The packages of the workspace, as cargo reads them.
fn packages(root: &Path) -> Result<Vec<Value>, String> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(program)
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata: {error}"))?;
    Ok(metadata["packages"].as_array().cloned().unwrap_or_default())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A crate's name as sources use it.
fn short(package: &str) -> &str {
    package.strip_prefix("stockade-").unwrap_or(package)
}

fn manifest_path(root: &Path, package: &Value) -> String {
    let path = Path::new(text(&package["manifest_path"]));
    let root = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

fn may_use(name: &str, wanted: &str) -> bool {
    MAY_USE
        .iter()
        .any(|(user, used)| *user == name && used.contains(&wanted))
}

/// The names in the register: the first column of its table, in backquotes.
fn registered(register: &str) -> BTreeSet<String> {
    let name = |line: &str| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned());
    register.lines().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_reaches_up() {
        for (place, (_, used)) in MAY_USE.iter().enumerate() {
            for name in *used {
                let below = MAY_USE[..place].iter().any(|(known, _)| known == name);
                assert!(below, "{name} is not above its user in the table");
            }
        }
        assert!(!may_use("front", "plan"), "fronts never see a plan");
    }

    #[test]
    fn the_register_is_a_table_of_names() {
        let names = registered("| crate | why |\n|---|---|\n| `rustix` | calls |\ntext `other`\n");
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["rustix"]);
    }
}
