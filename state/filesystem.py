"""Whether a folder lies on a network file system, where SQLite's write-ahead log does not work."""

from __future__ import annotations

import re
from pathlib import Path

# fmt: off
_NETWORK = frozenset({
    "9p", "acfs", "afpfs", "afs", "beegfs", "ceph", "cephfs", "cifs", "coda", "davfs",
    "fhgfs", "gfs", "gfs2", "glusterfs", "gpfs", "ibrix", "lustre", "mfs", "moosefs", "ncp",
    "ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "panfs", "prl_fs", "pvfs2", "smb", "smb2",
    "smb3", "smbfs", "vboxsf", "vmhgfs", "wekafs",
})
_NETWORK_FUSE = frozenset({
    "blobfuse", "blobfuse2", "ceph-fuse", "curlftpfs", "davfs2", "gcsfuse", "geesefs",
    "goofys", "httpdirfs", "jfs", "juicefs", "lizardfs", "mount-s3", "objectivefs", "rclone",
    "s3backer", "s3fs", "seaweedfs", "smbnetfs", "sshfs", "vmhgfs-fuse", "webdav",
})
# fmt: on


def network_filesystem(path: Path, mountinfo: str | None = None) -> str | None:
    """The type of the network file system that holds `path`, or None for a local one.

    `mountinfo` is the text of /proc/self/mountinfo (see proc(5)), which is read when not given.
    `path` need not exist yet.
    """
    if mountinfo is None:
        try:
            raw = Path("/proc/self/mountinfo").read_bytes()
        except OSError:  # not Linux, or /proc is hidden: nothing is known against this folder
            return None
        mountinfo = raw.decode("utf-8", "surrogateescape")
    resolved = path.resolve()
    best = -1
    found = ""
    for line in mountinfo.split("\n"):
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        mount = Path(_unescape(fields[4]))
        # A later mount on the same folder covers the earlier one.
        if resolved.is_relative_to(mount) and len(mount.parts) >= best:
            best = len(mount.parts)
            found = after.split(" ")[0]
    return found if _is_network(found) else None


def _is_network(name: str) -> bool:
    if name.startswith("fuse."):
        return name.removeprefix("fuse.") in _NETWORK_FUSE | _NETWORK
    return name in _NETWORK | _NETWORK_FUSE


def _unescape(text: str) -> str:
    octal = re.compile(r"\\([0-7]{3})")
    return octal.sub(lambda match: chr(int(match.group(1), 8)), text)
