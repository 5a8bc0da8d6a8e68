/*
 * libseccomp as an oracle: reads profiles, one statement a line, and answers each "end" with the
 * program that libseccomp makes, and each "number" with what libseccomp calls that number.
 *
 *   number ARCH NAME
 *   default ACTION
 *   only ARCH            (instead of the machine's own)
 *   arch ARCH
 *   rule ACTION NAME COUNT {INDEX OP A B}...
 *   end
 *
 * Answers: "n NUMBER\n"; "e ERRNO\n"; "p BYTES\n" and that many bytes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static void answer(scmp_filter_ctx filter)
{
	static char bytes[1 << 20];
	int fd = memfd_create("program", 0);
	int failed = seccomp_export_bpf(filter, fd);
	ssize_t size = pread(fd, bytes, sizeof bytes, 0);

	close(fd);
	if (failed) {
		printf("e %d\n", -failed);
		return;
	}
	printf("p %zd\n", size);
	fwrite(bytes, 1, (size_t)size, stdout);
}

static int add(scmp_filter_ctx filter, uint32_t otherwise)
{
	struct scmp_arg_cmp args[6];
	char name[64];
	uint32_t action;
	unsigned count;

	if (scanf("%" SCNu32 " %63s %u", &action, name, &count) != 3 || count > 6)
		exit(2);
	for (unsigned at = 0; at < count; at++) {
		unsigned op;

		if (scanf("%u %u %" SCNu64 " %" SCNu64, &args[at].arg, &op, &args[at].datum_a,
			  &args[at].datum_b) != 4)
			exit(2);
		args[at].op = (enum scmp_compare)op;
	}
	/* As the runtimes do: what says the same as the default is left out, and so is the unknown. */
	int number = seccomp_syscall_resolve_name(name);
	if (action == otherwise || number == __NR_SCMP_ERROR)
		return 0;
	return seccomp_rule_add_array(filter, action, number, count, args);
}

int main(void)
{
	scmp_filter_ctx filter = NULL;
	uint32_t otherwise = 0, arch;
	char word[16], name[64];
	int failed = 0;

	while (scanf("%15s", word) == 1) {
		int problem = 0;

		switch (word[0]) {
		case 'n':
			if (scanf("%" SCNu32 " %63s", &arch, name) != 2)
				return 2;
			printf("n %d\n", seccomp_syscall_resolve_name_arch(arch, name));
			break;
		case 'd':
			if (scanf("%" SCNu32, &otherwise) != 1)
				return 2;
			filter = seccomp_init(otherwise);
			failed = 0;
			break;
		case 'o':
		case 'a':
			if (scanf("%" SCNu32, &arch) != 1)
				return 2;
			problem = seccomp_arch_add(filter, arch);
			if (word[0] == 'o' && arch != seccomp_arch_native())
				seccomp_arch_remove(filter, seccomp_arch_native());
			if (problem == -EEXIST)
				problem = 0;
			break;
		case 'r':
			problem = add(filter, otherwise);
			break;
		case 'e':
			if (failed)
				printf("e %d\n", -failed);
			else
				answer(filter);
			seccomp_release(filter);
			break;
		default:
			return 2;
		}
		if (!failed)
			failed = problem;
		if (word[0] == 'n' || word[0] == 'e')
			fflush(stdout);
	}
	return 0;
}
