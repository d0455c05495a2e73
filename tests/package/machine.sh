#!/bin/sh
# A machine of its own, whose process 1 is systemd: namespaces of everything but users, a cgroup, and a copy of a Debian that is
# forgotten with it. Ends with its standard input, and takes along all that it has begun; nothing outside of the namespaces changes
# but a cgroup that comes and goes.
#
#   machine.sh DEBIAN SHARED CGROUP
#
# SHARED, a folder, is /run/host within, where systemd says in the socket `notify` that it has started; CGROUP, to be made, is
# below a mount of cgroup2. Prints `init PID` before it becomes systemd.
set -eu
debian=$1 shared=$2 cgroup=$3

begin() {
    echo 0 >"$cgroup/cgroup.procs" # this very process
    exec unshare --pid --mount --uts --ipc --net --cgroup --fork --kill-child sh -eu "$0" --within "$debian" "$shared" "$cgroup" </dev/null
}

# The mount namespace is a new one, /proc still the old one: by it one knows oneself as others do.
within() {
    read -r pid _ </proc/self/stat
    root=$shared/root
    mount -t tmpfs -o mode=755 tmpfs "$root"
    mkdir "$root/changed" "$root/work" "$root/root"
    mount -t overlay -o "lowerdir=$debian,upperdir=$root/changed,workdir=$root/work" overlay "$root/root"
    cd "$root/root"
    mount -t proc proc proc
    mount --bind proc/sys proc/sys
    mount -o remount,bind,ro proc/sys # it is everybody's kernel
    mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup
    mount -t tmpfs -o mode=755,nosuid tmpfs dev
    mkdir dev/pts dev/shm
    for name in null zero full random urandom tty; do
        touch "dev/$name"
        mount --bind "/dev/$name" "dev/$name"
    done
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
    mount -t tmpfs -o mode=1777 tmpfs dev/shm
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    for number in 0:stdin 1:stdout 2:stderr; do
        ln -s "/proc/self/fd/${number%:*}" "dev/${number#*:}"
    done
    mount -t tmpfs -o mode=755,nosuid,nodev tmpfs run
    mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs tmp
    mkdir run/host run/outside
    mount --bind "$shared" run/host
    pivot_root . run/outside
    umount -l /run/outside
    rmdir /run/outside
    mount --make-rshared / # as systemd finds it elsewhere
    echo "init $pid"
    exec env -i container=daffi-bridge-test NOTIFY_SOCKET=/run/host/notify PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        setpriv --bounding-set=-sys_module,-sys_rawio,-sys_time,-syslog /lib/systemd/systemd --unit=multi-user.target --log-target=journal --show-status=no
}

end() {
    kill -KILL "$begun" 2>/dev/null || true # and by it process 1, and by that all others
    wait "$begun" 2>/dev/null || true
    tries=100
    until find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || [ ! -d "$cgroup" ] || [ "$tries" -eq 0 ]; do
        tries=$((tries - 1))
        sleep 0.1
    done
}

if [ "$debian" = --within ]; then
    debian=$2 shared=$3
    within
fi
mkdir "$cgroup" "$shared/root"
begin &
begun=$!
exec >/dev/null # what it prints ends with it
trap end EXIT
trap 'exit 1' INT TERM
read -r _ || true
