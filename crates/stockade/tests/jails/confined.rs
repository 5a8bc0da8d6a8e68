//! Root in a jail is weak, and finds no way out.

use std::fs;
use std::io::Write;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Command, Stdio};

use crate::yard::Yard;

/// A root with the machine's python3, which can call the kernel directly: the host's own programs, read-only.
pub(crate) fn with_python(yard: &Yard) -> Vec<String> {
    let root = yard.root();
    for name in ["usr", "lib", "lib64"] {
        fs::create_dir_all(format!("{root}/{name}")).unwrap();
    }
    let mut mounts = vec!["mount.devfs".to_owned(), "mount.procfs".to_owned()];
    for name in ["usr", "lib", "lib64"] {
        if fs::metadata(format!("/{name}")).is_ok() {
            let real = fs::canonicalize(format!("/{name}")).unwrap();
            mounts.push(format!("mount+={} {root}/{name} nullfs ro", real.display()));
        }
    }
    mounts
}

/// What a python script prints in a jail.
fn python(yard: &Yard, parameters: &[&str], script: &str) -> String {
    let path = format!("path={}", yard.root());
    let mounts = with_python(yard);
    let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
    let words = [
        &["-qc", path.as_str()],
        &mounts[..],
        parameters,
        &["command=/usr/bin/python3", "-c", script],
    ];
    yard.jail(&words.concat())
}

/// Calls by number, each printed with the errno that it fails with.
const CALLS: &str = "
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(number, *[ctypes.c_long(a) if isinstance(a, int) else a for a in args])
    print(name, 'ok' if result >= 0 else errno.errorcode[ctypes.get_errno()])
";

#[test]
fn what_changes_the_machine_is_denied() {
    let yard = Yard::new();
    let script = format!(
        "{CALLS}
call('mount', 165, b'none', b'/tmp', b'tmpfs', 0, 0)
call('mknod', 133, b'/tmp/disk', 0o060600, 0x800)
call('mknod-char', 133, b'/tmp/mem', 0o020600, 0x101)
call('init_module', 175, 0, 0, b'')
call('delete_module', 176, b'x', 0)
call('clock_settime', 227, 0, (ctypes.c_long * 2)(1, 0))
call('settimeofday', 164, (ctypes.c_long * 2)(1, 0), 0)
call('reboot', 169, 0xfee1dead, 672274793, 0, 0)
call('syslog', 103, 3, ctypes.create_string_buffer(64), 64)
call('kexec_load', 246, 0, 0, 0, 0)
call('bpf', 321, 0, ctypes.create_string_buffer(64), 64)
call('unshare', 272, 0x10000000)
call('clone', 56, 0x10000000 | 17, 0)
call('keyctl', 250, 0, -3, 0)
call('add_key', 248, b'user', b'x', b'y', 1, -3)
call('sethostname', 170, b'x', 1)
call('swapon', 167, b'/tmp/x', 0)
call('quotactl', 179, 0, 0, 0, 0)
call('iopl', 172, 3)
call('open_by_handle_at', 304, -100, ctypes.create_string_buffer(64), 0)
call('perf_event_open', 298, ctypes.create_string_buffer(128), 0, -1, -1, 0)
call('pivot_root', 155, b'/', b'/')
call('mlockall', 151, 1)
call('acct', 163, b'/tmp/acct')
"
    );
    let said = python(&yard, &["ip4=inherit"], &script);
    for line in said.lines() {
        assert!(line.ends_with(" EPERM"), "{line}");
    }
    assert_eq!(said.lines().count(), 24, "{said}");
    let said = yard.says(&["mount.procfs", "mount.devfs"], "echo 1 >/proc/sysrq-trigger; echo x >/proc/sys/kernel/core_pattern; cat /proc/kcore | wc -c; ls /dev/kmsg /dev/mem 2>/dev/null; true");
    assert_eq!(said, "0\n");
    yard.assert_empty();
}

#[test]
fn no_way_out() {
    let yard = Yard::new();
    fs::write(yard.path("secret"), "outside").unwrap();
    let mut outside = Command::new("sleep")
        .arg("300")
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let pid = outside.id();
    let name = format!("stockade-test-{pid}");
    let address = <SocketAddr as SocketAddrExt>::from_abstract_name(&name);
    let listener = UnixListener::bind_addr(&address.unwrap()).unwrap();
    let script = format!(
        "{CALLS}
import socket
def tried(name, attempt):
    try:
        attempt()
        print(name, 'ok')
    except OSError as error:
        print(name, errno.errorcode[error.errno])
# .. after chroot, with a directory of outside of the new root still open
os.mkdir('/tmp/in')
up = os.open('/', os.O_RDONLY)
os.chroot('/tmp/in')
os.fchdir(up)
for _ in range(64):
    os.chdir('..')
os.chroot('.')
print(sorted(os.listdir('/'))[:2])
tried('secret', lambda: open('/secret'))
# descriptors that were left open
print([fd for fd in os.listdir('/proc/self/fd') if fd not in '0123'])
# the first process, and what it sees
tried('/proc/1/root', lambda: os.listdir('/proc/1/root'))
tried('/proc/1/cwd', lambda: os.listdir('/proc/1/cwd'))
tried('/proc/1/exe', lambda: open('/proc/1/exe', 'r+b'))
tried('/proc/1/mem', lambda: open('/proc/1/mem', 'r+b'))
call('ptrace', 101, 16, 1, 0, 0)
call('pidfd_getfd', 438, os.pidfd_open(1), 0, 0)
call('setns', 308, os.open('/proc/self/ns/mnt', os.O_RDONLY), 0)
# processes outside
tried('kill', lambda: os.kill({pid}, 9))
tried('pidfd', lambda: os.pidfd_open({pid}))
print(len([p for p in os.listdir('/proc') if p.isdigit()]) <= 2)
# sockets without a file
def abstract():
    s = socket.socket(socket.AF_UNIX)
    s.connect('\\0{name}')
tried('abstract', abstract)
tried('vsock', lambda: socket.socket(40))
tried('packet', lambda: socket.socket(17, socket.SOCK_RAW))
tried('raw', lambda: socket.socket(2, socket.SOCK_RAW, 1))
print(os.path.exists('/sys/kernel'))
"
    );
    for network in [&["ip4=disable"][..], &["ip4=inherit"]] {
        let _ = fs::remove_dir_all(format!("{}/tmp/in", yard.root()));
        let said = python(&yard, network, &script);
        let wanted = "['bin', 'dev']\nsecret ENOENT\n['4']\n/proc/1/root EACCES\n/proc/1/cwd EACCES\n/proc/1/exe EACCES\n\
            /proc/1/mem EACCES\nptrace EPERM\npidfd_getfd EPERM\nsetns EPERM\nkill ESRCH\npidfd ESRCH\nTrue\n\
            abstract REFUSED\nvsock EPERM\npacket EPERM\nraw RAW\nFalse\n";
        let (refused, raw) = match network {
            ["ip4=inherit"] => ("EPERM", "EPERM"),
            _ => ("ECONNREFUSED", "EAFNOSUPPORT"),
        };
        assert_eq!(
            said,
            wanted.replace("REFUSED", refused).replace("RAW", raw),
            "{network:?}"
        );
    }
    assert!(outside.try_wait().unwrap().is_none());
    outside.kill().unwrap();
    outside.wait().unwrap();
    drop(listener);
    yard.assert_empty();
}

#[test]
fn a_jail_does_not_change_its_keepers_mind() {
    let yard = Yard::new();
    yard.persists("k", &["mount.procfs", "mount.devfs"]);
    let script = "kill -USR1 1; kill -TERM 1; kill -KILL 1; kill -9 -1; echo still";
    assert_eq!(yard.exec("k", script).out, "still\n");
    assert_eq!(yard.exec("k", "echo here").out, "here\n");
    // By a signal with a sender that is made up.
    let yard = Yard::new();
    let mounts = with_python(&yard);
    let mounts: Vec<&str> = mounts.iter().map(String::as_str).collect();
    yard.persists("k", &mounts);
    let script = format!(
        "{CALLS}
info = (ctypes.c_int * 32)(10, 0, -1, 0, 0, 0)
call('queue', 129, 1, 10, info)
info[2] = 0
call('user', 129, 1, 10, info)
"
    );
    let ran = yard.ran(&["jexec", "k", "/usr/bin/python3", "-c", &script]);
    assert_eq!(ran.out, "queue ok\nuser EPERM\n", "{}", ran.err);
    assert_eq!(yard.names(), "k");
}

#[test]
fn each_permission_gives_what_it_says_and_is_denied_without() {
    let yard = Yard::new();
    let attempt = |call: &str| format!("{CALLS}\nimport socket, mmap, fcntl, struct\n{call}");
    for (parameters, call, with, without) in [
        (
            &["allow.raw_sockets", "ip4=inherit"][..],
            "call('x', 41, 2, 3, 1)",
            "ok",
            "EPERM",
        ),
        (
            &["allow.mlock"],
            "call('x', 149, ctypes.create_string_buffer(8192), 8192)",
            "ok",
            "EPERM",
        ),
        (
            &["allow.read_msgbuf"],
            "call('x', 103, 10, 0, 0)",
            "ok",
            "EPERM",
        ),
        (
            &["allow.socket_af"],
            "call('x', 41, 16, 3, 9)",
            "ok",
            "EPERM",
        ),
        (
            &["sysvshm=new"],
            "call('x', 29, 0, 4096, 0o1600)",
            "ok",
            "ENOSYS",
        ),
        (&["sysvmsg=new"], "call('x', 68, 0, 0o1600)", "ok", "ENOSYS"),
        (
            &["sysvsem=new"],
            "call('x', 64, 0, 1, 0o1600)",
            "ok",
            "ENOSYS",
        ),
        (
            &["allow.nosuser"],
            "call('x', 92, b'/tmp', 5, 5)",
            "EPERM",
            "ok",
        ),
        (
            &["allow.nounprivileged_proc_debug"],
            "call('x', 101, 0, 0, 0, 0)",
            "EPERM",
            "ok",
        ),
        (
            &["allow.settime"],
            "call('x', 164, 0, (ctypes.c_int * 2)(99999, 0))",
            "EINVAL",
            "EPERM",
        ),
        (
            &["allow.noreserved_ports", "ip4=inherit"],
            "s = socket.socket()\ntry: s.bind(('127.0.0.1', 1)); print('x ok')\nexcept PermissionError: print('x EPERM')",
            "EPERM",
            "ok",
        ),
        (
            &["allow.chflags"],
            "f = os.open('/tmp/f', os.O_CREAT | os.O_RDWR)\ntry: fcntl.ioctl(f, 0x40086602, struct.pack('l', 0x10)); print('x ok')\nexcept PermissionError: print('x EPERM')\nif os.environ.get('NO') is None:\n try: fcntl.ioctl(f, 0x40086602, struct.pack('l', 0))\n except OSError: pass",
            "ok",
            "EPERM",
        ),
    ] {
        let said = python(&yard, parameters, &attempt(call));
        assert_eq!(said, format!("x {with}\n"), "{parameters:?}");
        let rest: Vec<&str> = parameters
            .iter()
            .copied()
            .filter(|word| word.starts_with("ip4"))
            .collect();
        let said = python(&yard, &rest, &attempt(call));
        assert_eq!(said, format!("x {without}\n"), "without {parameters:?}");
    }
    // A securelevel takes the flags away again.
    let call = "f = os.open('/tmp/f', os.O_CREAT | os.O_RDWR)\ntry: fcntl.ioctl(f, 0x40086602, struct.pack('l', 0x10)); print('x ok')\nexcept PermissionError: print('x EPERM')";
    assert_eq!(
        python(&yard, &["allow.chflags", "securelevel=1"], &attempt(call)),
        "x EPERM\n"
    );
    yard.assert_empty();
}

#[test]
fn what_linux_cannot_give_is_refused_by_name() {
    let yard = Yard::new();
    let path = format!("path={}", yard.root());
    for parameter in [
        "allow.mount",
        "allow.mount.tmpfs",
        "allow.quotas",
        "allow.set_hostname",
        "allow.extattr",
        "allow.routing",
        "osrelease=13.2-RELEASE",
        "osreldate=1302001",
        "linux=new",
        "zfs.dataset=x",
        "exec.fib=1",
        "cpuset.id=1",
        "enforce_statfs=0",
        "devfs_ruleset=1",
        "allow.vmm",
        "allow.nfsd",
        "ip4.nosaddrsel",
    ] {
        let told = yard.refused(&["-c", &path, "name=r", "persist", parameter]);
        let name = parameter.split('=').next().unwrap();
        assert!(
            told.contains(name) && told.contains(": "),
            "{parameter}: {told}"
        );
    }
    yard.persists(
        "r",
        &[
            "allow.nomount",
            "allow.noset_hostname",
            "allow.noquotas",
            "enforce_statfs=1",
            "devfs_ruleset=4",
        ],
    );
    let _ = std::io::stdout().flush();
}
