/*
 * The floor under every container runtime: the system calls that one bundle asks of the kernel, in
 * order, and nothing else. No configuration is read, no state is kept, no error is explained. What
 * remains of a runtime's time above this program's is the runtime's own.
 *
 * The bundle is compiled in: the bench driver turns config.json into bundle.h (see floor.rs), flat
 * tables that this file walks. Commands:
 *
 *     floor run NAME [ARG...]      make the container, wait for it, take its cgroups away
 *     floor start NAME [ARG...]    make the container, print its pid, leave it running
 *     floor exec NAME PID [ARG...] run a process inside, wait for it
 *     floor delete NAME PID        kill the container, take its cgroups away
 *
 * Exit status: the payload's; 125 when a call failed, with the call on stderr.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

/* One call to make inside the new mount namespace, relative to the rootfs. */
enum kind { OP_MOUNT, OP_MKDIR, OP_MKNOD, OP_SYMLINK, OP_WRITE, OP_BIND_CGROUP };

struct op {
	enum kind kind;
	const char *source;  /* mount source, link target, value to write, or a v1 hierarchy */
	const char *target;
	const char *type;    /* mount only */
	const char *data;    /* mount only */
	unsigned long flags; /* mount flags, or mode */
	unsigned long device;
	int optional;        /* a missing target is no error: masks and read-only paths */
};

struct hierarchy {
	const char *path;    /* the cgroup that ours becomes a child of */
	int unified;
};

struct cgroup_write {
	int hierarchy;
	const char *file;
	const char *value;
};

struct limit {
	int resource;
	struct rlimit value;
};

#include "bundle.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MUST(call) ((long)(call) < 0 ? die(#call) : (void)0)

static void die(const char *call)
{
	dprintf(2, "floor: %s: %s\n", call, strerror(errno));
	_exit(125);
}

static void put(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0) {
		dprintf(2, "floor: write %s: ", path);
		die(value);
	}
	close(fd);
}

/* Cgroups */

static const char *cgroup_path(int i, const char *name, const char *file)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s%s%s", hierarchies[i].path, name, *file ? "/" : "", file);
	return path;
}

static void make_cgroups(const char *name)
{
	for (size_t i = 0; i < COUNT(hierarchies); i++)
		MUST(mkdir(cgroup_path(i, name, ""), 0755));
	for (size_t i = 0; i < COUNT(cgroup_writes); i++)
		put(cgroup_path(cgroup_writes[i].hierarchy, name, cgroup_writes[i].file),
		    cgroup_writes[i].value);
}

static void remove_cgroups(const char *name)
{
	for (size_t i = 0; i < COUNT(hierarchies); i++)
		MUST(rmdir(cgroup_path(i, name, "")));
}

/* A v2 cgroup is entered by clone3 itself; -1 when there is none. */
static int open_unified(const char *name)
{
	int fd = -1;

	for (size_t i = 0; i < COUNT(hierarchies); i++)
		if (hierarchies[i].unified)
			MUST(fd = open(cgroup_path(i, name, ""), O_PATH | O_DIRECTORY | O_CLOEXEC));
	return fd;
}

/* A thread that moves itself by `tasks` does not wait for an RCU grace period. */
static void enter_v1(const char *name)
{
	for (size_t i = 0; i < COUNT(hierarchies); i++)
		if (!hierarchies[i].unified)
			put(cgroup_path(i, name, "tasks"), "0");
}

static pid_t clone_into(unsigned long flags, int cgroup, int *pidfd)
{
	struct clone_args args = {
		.flags = flags | CLONE_PIDFD | (cgroup >= 0 ? CLONE_INTO_CGROUP : 0),
		.pidfd = (uintptr_t)pidfd,
		.exit_signal = SIGCHLD,
		.cgroup = cgroup >= 0 ? cgroup : 0,
	};
	pid_t pid = syscall(SYS_clone3, &args, sizeof(args));

	MUST(pid);
	return pid;
}

static int wait_for(pid_t pid)
{
	int status;

	MUST(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Inside */

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	MUST(fd);
	MUST(ioctl(fd, SIOCSIFFLAGS, &request));
	close(fd);
}

static void bind_cgroup(const struct op *op, const char *name)
{
	char source[512];

	snprintf(source, sizeof(source), "%s/%s", op->source, name);
	MUST(mount(source, op->target, NULL, MS_BIND, NULL));
}

static void perform(const struct op *op, const char *name)
{
	int result = 0;

	switch (op->kind) {
	case OP_MOUNT:
		result = mount(op->source, op->target, op->type, op->flags, op->data);
		break;
	case OP_MKDIR:
		result = mkdir(op->target, op->flags);
		break;
	case OP_MKNOD:
		result = mknod(op->target, op->flags, op->device);
		break;
	case OP_SYMLINK:
		result = symlink(op->source, op->target);
		break;
	case OP_WRITE:
		put(op->target, op->source);
		break;
	case OP_BIND_CGROUP:
		bind_cgroup(op, name);
		break;
	}
	if (result < 0 && !(op->optional && (errno == ENOENT || errno == EEXIST))) {
		dprintf(2, "floor: op %ld %s: ", (long)(op - ops), op->target);
		die("failed");
	}
}

static void enter_root(void)
{
	MUST(syscall(SYS_pivot_root, ".", "."));
	MUST(umount2(".", MNT_DETACH));
	MUST(chdir("/"));
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ CAP_EFFECTIVE & 0xffffffff, CAP_PERMITTED & 0xffffffff, CAP_INHERITABLE & 0xffffffff },
		{ CAP_EFFECTIVE >> 32, CAP_PERMITTED >> 32, CAP_INHERITABLE >> 32 },
	};

	for (int cap = 0; cap <= LAST_CAP; cap++)
		if (!(CAP_BOUNDING >> cap & 1))
			MUST(prctl(PR_CAPBSET_DROP, cap, 0, 0, 0));
	MUST(syscall(SYS_capset, &header, data));
	/* `runc spec` asks for ambient ones that are not inheritable; runtimes try, and let it go. */
	for (int cap = 0; cap <= LAST_CAP; cap++)
		if (CAP_AMBIENT >> cap & 1)
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
}

static void load_filter(void)
{
	struct sock_fprog program = { .len = FILTER_LENGTH, .filter = (struct sock_filter *)filter };

	if (FILTER_LENGTH)
		MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, FILTER_FLAGS, &program));
}

/* What a process is given before its program: the same for the first one and for exec. */
__attribute__((noreturn)) static void become(char *const *argv)
{
	MUST(syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0));
	for (size_t i = 0; i < COUNT(limits); i++)
		MUST(setrlimit(limits[i].resource, &limits[i].value));
	umask(UMASK);
	MUST(setgroups(0, NULL));
	MUST(setresgid(GID, GID, GID));
	MUST(setresuid(UID, UID, UID));
	MUST(chdir(CWD));
	MUST(syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC));
	/* Loading a filter takes a capability, or the promise never to gain one. */
	if (!NO_NEW_PRIVILEGES)
		load_filter();
	drop_capabilities();
	if (NO_NEW_PRIVILEGES) {
		MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		load_filter();
	}
	execve(argv[0], argv, (char *const *)environment);
	die("execve");
}

__attribute__((noreturn)) static void first_process(const char *name, char *const *argv)
{
	enter_v1(name);
	if (CGROUP_NAMESPACE)
		MUST(unshare(CLONE_NEWCGROUP));
	MUST(setsid());
	umask(0);
	loopback_up();
	MUST(sethostname(HOSTNAME, sizeof(HOSTNAME) - 1));
	MUST(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
	MUST(mount(ROOTFS, ROOTFS, NULL, MS_BIND | MS_REC, NULL));
	MUST(chdir(ROOTFS));
	for (size_t i = 0; i < COUNT(ops); i++)
		perform(&ops[i], name);
	enter_root();
	become(argv);
}

/* Commands */

static pid_t make(const char *name, char *const *argv)
{
	int pidfd, cgroup;
	pid_t pid;

	make_cgroups(name);
	cgroup = open_unified(name);
	pid = clone_into(NAMESPACES, cgroup, &pidfd);
	if (pid == 0)
		first_process(name, argv);
	return pid;
}

static int run(const char *name, char *const *argv)
{
	int status = wait_for(make(name, argv));

	remove_cgroups(name);
	return status;
}

static int start(const char *name, char *const *argv)
{
	return dprintf(1, "%d\n", make(name, argv)) < 0;
}

static int exec(const char *name, pid_t target, char *const *argv)
{
	int pidfd = syscall(SYS_pidfd_open, target, 0), cgroup = open_unified(name);
	pid_t pid;

	MUST(pidfd);
	enter_v1(name);
	MUST(setns(pidfd, NAMESPACES | (CGROUP_NAMESPACE ? CLONE_NEWCGROUP : 0)));
	pid = clone_into(0, cgroup, &pidfd);
	if (pid == 0)
		become(argv);
	return wait_for(pid);
}

static int delete(const char *name, pid_t target)
{
	struct pollfd dead = { .fd = syscall(SYS_pidfd_open, target, 0), .events = POLLIN };

	if (dead.fd >= 0) {
		MUST(syscall(SYS_pidfd_send_signal, dead.fd, SIGKILL, NULL, 0));
		MUST(poll(&dead, 1, -1));
	}
	remove_cgroups(name);
	return 0;
}

int main(int argc, char **argv)
{
	char *const *payload = (char *const *)arguments;

	if (argc >= 3 && !strcmp(argv[1], "run"))
		return run(argv[2], argc > 3 ? argv + 3 : payload);
	if (argc >= 3 && !strcmp(argv[1], "start"))
		return start(argv[2], argc > 3 ? argv + 3 : payload);
	if (argc >= 4 && !strcmp(argv[1], "exec"))
		return exec(argv[2], atoi(argv[3]), argc > 4 ? argv + 4 : payload);
	if (argc == 4 && !strcmp(argv[1], "delete"))
		return delete(argv[2], atoi(argv[3]));
	dprintf(2, "usage: floor run|start NAME [ARG...] | exec NAME PID [ARG...] | delete NAME PID\n");
	return 125;
}
