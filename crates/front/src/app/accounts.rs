//! Users and groups of a container's root: its `/etc/passwd` and `/etc/group`, which are hostile.

use super::layers::Layers;
use super::storage::Storage;
use super::value::number::digits;
use super::value::user::{UserRequest, Who};
use crate::error::{Fault, Parsed};

/// The most bytes of an account file that are read.
const FILE_MAX: usize = 16 << 20;

/// The users and groups that a root knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    users: Vec<User>,
    groups: Vec<Group>,
}

/// One line of passwd(5).
#[derive(Clone, Debug, PartialEq, Eq)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
    home: String,
}

/// One line of group(5).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

/// As whom a process runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The user id in the container.
    pub uid: u32,
    /// The primary group id in the container.
    pub gid: u32,
    /// The supplementary group ids that the root gives the user, in its order.
    pub groups: Vec<u32>,
    /// The home directory, `/` where the root names none.
    pub home: String,
}

impl Accounts {
    /// The accounts of a root. Missing files are empty.
    ///
    /// # Errors
    /// When a file is not a regular one, larger than 16 MiB, or cannot be read.
    pub fn read(storage: &Storage) -> Parsed<Self> {
        let layers = Layers::open(storage)?;
        let passwd = account_file(&layers, "/etc/passwd")?;
        let group = account_file(&layers, "/etc/group")?;
        Ok(Self::parse(&passwd, &group))
    }

    /// The accounts of these two files. Lines that are not well-formed are passed over.
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            users: lines(passwd).filter_map(user_line).collect(),
            groups: lines(group).filter_map(group_line).collect(),
        }
    }

    /// Resolves `--user`. A number need not be known; a name must be.
    pub fn identity(&self, request: &UserRequest<'_>) -> Parsed<Identity> {
        let known = match request.user {
            Who::Id(uid) => self.users.iter().find(|user| user.uid == uid),
            Who::Name(name) => self.users.iter().find(|user| user.name == name),
        };
        let uid = match (request.user, known) {
            (Who::Id(uid), _) => uid,
            (Who::Name(_), Some(user)) => user.uid,
            (Who::Name(name), None) => {
                return Err(Fault::not_found(format!(
                    "no user {name:?} in the root's /etc/passwd"
                )));
            }
        };
        let home = known.map_or("/", |user| &user.home).to_owned();
        match request.group {
            Some(group) => Ok(Identity {
                uid,
                gid: self.gid(&group)?,
                groups: Vec::new(),
                home,
            }),
            None => Ok(Identity {
                uid,
                gid: known.map_or(0, |user| user.gid),
                groups: known.map_or(Vec::new(), |user| self.groups_of(&user.name)),
                home,
            }),
        }
    }

    /// The number of a group, by number or by name.
    pub fn gid(&self, group: &Who<'_>) -> Parsed<u32> {
        match group {
            Who::Id(gid) => Ok(*gid),
            Who::Name(name) => {
                let known = self.groups.iter().find(|group| group.name == *name);
                known.map(|group| group.gid).ok_or_else(|| {
                    Fault::not_found(format!("no group {name:?} in the root's /etc/group"))
                })
            }
        }
    }

    fn groups_of(&self, user: &str) -> Vec<u32> {
        let member = |group: &&Group| group.members.iter().any(|member| member == user);
        self.groups
            .iter()
            .filter(member)
            .map(|group| group.gid)
            .collect()
    }
}

/// The bytes of a file of the root; none when it is missing.
fn account_file(layers: &Layers, path: &str) -> Parsed<Vec<u8>> {
    match layers.file(path)? {
        Some(file) => Ok(sys::file::read_all(&file, FILE_MAX, path)?),
        None => Ok(Vec::new()),
    }
}

/// The lines that are text and no comment.
fn lines(file: &[u8]) -> impl Iterator<Item = &str> {
    file.split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.contains('\0'))
}

/// An id of a file; the kernel's "no id" is none.
fn id(text: &str) -> Option<u32> {
    digits(text).filter(|id| *id != u32::MAX)
}

fn user_line(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let uid = id(fields.nth(1)?)?;
    let gid = id(fields.next()?)?;
    let home = fields
        .nth(1)
        .filter(|home| home.starts_with('/'))
        .unwrap_or("/")
        .to_owned();
    Some(User {
        name,
        uid,
        gid,
        home,
    })
}

fn group_line(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_owned();
    let gid = id(fields.nth(1)?)?;
    let members = fields.next().unwrap_or_default();
    let members = members
        .split(',')
        .filter(|m| !m.is_empty())
        .map(str::to_owned)
        .collect();
    Some(Group { name, gid, members })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::value::user::user;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\nbad line\n#c:x:1:1::/:/\n\
        daemon:x:1:1:d:relative:/bin/sh\nbob:x:1000:1000::/home/bob:/bin/sh\n\xff:x:7:7::/:\n\
        1001:x:5:5::/five:/bin/sh\nhuge:x:4294967295:0::/:\nminus:x:-1:0::/:\nbob:x:2000:2000::/x:\n";
    const GROUP: &[u8] =
        b"root:x:0:\nadm:x:4:syslog,bob\nbob:x:1000:\nwheel:x:10:root,bob\n77:x:78:\n";

    fn identity(text: &str) -> Parsed<Identity> {
        Accounts::parse(PASSWD, GROUP).identity(&user(text)?)
    }

    fn is(uid: u32, gid: u32, groups: &[u32], home: &str) -> Parsed<Identity> {
        Ok(Identity {
            uid,
            gid,
            groups: groups.to_vec(),
            home: home.to_owned(),
        })
    }

    #[test]
    fn users_of_a_root() {
        assert_eq!(identity("bob"), is(1000, 1000, &[4, 10], "/home/bob"));
        assert_eq!(identity("1000"), is(1000, 1000, &[4, 10], "/home/bob"));
        assert_eq!(identity(""), is(0, 0, &[10], "/root"));
        assert_eq!(identity("0"), is(0, 0, &[10], "/root"));
        assert_eq!(identity("bob:adm"), is(1000, 4, &[], "/home/bob"));
        assert_eq!(identity("4242"), is(4242, 0, &[], "/"));
        assert_eq!(identity("4242:99"), is(4242, 99, &[], "/"));
        assert_eq!(identity("daemon"), is(1, 1, &[], "/"));
        assert_eq!(identity(":adm"), is(0, 4, &[], "/root"));
    }

    #[test]
    fn digits_are_never_a_name() {
        assert_eq!(identity("1001"), is(1001, 0, &[], "/"));
        assert_eq!(identity("bob:77"), is(1000, 77, &[], "/home/bob"));
    }

    #[test]
    fn unknown_names_and_ids_out_of_bounds() {
        for text in ["alice", "bob:nobody", "huge", "minus"] {
            assert_eq!(
                identity(text).unwrap_err().kind,
                crate::Kind::NotFound,
                "{text}"
            );
        }
    }

    #[test]
    fn a_root_without_account_files_knows_nobody() {
        let dir = crate::scratch::tempdir().unwrap();
        let storage = Storage::directory(dir.path().to_str().unwrap());
        assert_eq!(Accounts::read(&storage), Ok(Accounts::default()));
    }
}
