#!/bin/sh
# Runs this crate's tests on a cgroup v2 host with all controllers: an emulated machine (no KVM needed) with
# Debian's cloud kernel and nothing else. A minute, most of it emulation. Needs the Debian packages
# qemu-system-x86, busybox-static and cpio; the kernel is downloaded, not installed.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/stockade-on-v2
mkdir -p "$cache" && cd "$cache"
if ! ls kernel/boot/vmlinuz-* >/dev/null 2>&1; then
    package=$(apt-cache depends linux-image-cloud-amd64 | awk '/Depends: linux-image-/ { print $2; exit }')
    apt-get download "$package"
    dpkg-deb -x "$package"_*.deb kernel
fi

work=$(mktemp -d "$cache/run.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/tests"
cp "$(command -v busybox)" "$root/bin/busybox"
(cd "$here" && cargo test -q --lib --tests --no-run --message-format=json) |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' |
    while read -r test; do cp "$test" "$root/tests/"; done
cat > "$root/init" <<'GUEST'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
mount -t cgroup2 -o nsdelegate cgroup2 /sys/fs/cgroup
failed=0
for test in /tests/*; do $test --test-threads 1 || failed=1; done
[ -z "$(find /sys/fs/cgroup -name 'stockade-test*')" ] || { echo "cgroups are left"; failed=1; }
echo "on-v2: failed=$failed"
poweroff -f
GUEST
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1) > "$work/initrd.gz"
timeout 600 qemu-system-x86_64 -M q35 -nodefaults -no-user-config -display none -no-reboot -serial stdio \
    -accel tcg,thread=multi -cpu max -smp 2 -m 1536 -kernel kernel/boot/vmlinuz-* -initrd "$work/initrd.gz" \
    -drive driver=null-co,size=1G,if=none,id=disk -device nvme,drive=disk,serial=1 \
    -append "console=ttyS0 panic=-1 loglevel=3 mitigations=off psi=1 rcupdate.rcu_expedited=1" \
    < /dev/null | tee "$work/log"
grep -q 'on-v2: failed=0' "$work/log"
