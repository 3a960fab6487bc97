// Numbers of the kernel's io_uring interface that this engine uses (include/uapi/linux/io_uring.h and
// the socket headers; x86-64 and arm64 agree on all of them). Version notes say since which Linux.

export const SYS_IO_URING_SETUP = 425;
export const SYS_IO_URING_ENTER = 426;
export const SYS_IO_URING_REGISTER = 427;

/** Flags of io_uring_setup. */
export const SETUP = {
  cqSize: 1 << 3,
  clamp: 1 << 4,
  /** One bad entry does not stop the submission of those after it (5.18). */
  submitAll: 1 << 7,
  /** The kernel says in the submission ring that work waits for an enter (5.19). */
  taskrunFlag: 1 << 9,
  singleIssuer: 1 << 12,
  /** Completions are made only inside our own enter calls (6.1). */
  deferTaskrun: 1 << 13,
  noSqArray: 1 << 16,
} as const;

/** Features that io_uring_setup must answer with. */
export const FEATURE = {
  singleMmap: 1 << 0,
  noDrop: 1 << 1,
  extArg: 1 << 8,
  cqeSkip: 1 << 11,
  /** A wait may gather completions for a while before it returns (6.12). */
  minTimeout: 1 << 15,
} as const;

export const ENTER_GETEVENTS = 1 << 0;
export const ENTER_EXT_ARG = 1 << 3;

/** Flags in the submission ring, set by the kernel. */
export const SQ_CQ_OVERFLOW = 1 << 1;
export const SQ_TASKRUN = 1 << 2;
/** Flag in the completion ring, set by us: do not ring the eventfd. */
export const CQ_EVENTFD_DISABLED = 1 << 0;

export const REGISTER = {
  eventFd: 4,
  probe: 8,
  files2: 13,
  bufferRing: 22,
} as const;
/** `io_uring_rsrc_register.flags`: a table without files in it. */
export const RSRC_REGISTER_SPARSE = 1;

export const OP = {
  pollAdd: 6,
  sendmsg: 9,
  accept: 13,
  asyncCancel: 14,
  connect: 16,
  close: 19,
  read: 22,
  send: 26,
  recv: 27,
  shutdown: 34,
  socket: 45,
  uringCmd: 46,
  /** The newest one needed: Linux 6.11. */
  bind: 56,
} as const;

export const SQE_FIXED_FILE = 1 << 0;
export const SQE_IO_LINK = 1 << 2;
export const SQE_BUFFER_SELECT = 1 << 5;
export const SQE_CQE_SKIP_SUCCESS = 1 << 6;

export const ACCEPT_MULTISHOT = 1 << 0;
export const RECV_MULTISHOT = 1 << 1;
export const POLL_ADD_MULTI = 1 << 0;
export const CANCEL_ALL = 1 << 0;
/** `file_index`: the kernel picks a free slot of the table and answers with it. */
export const FILE_INDEX_ALLOC = -1;
/** `cmd_op` of uringCmd on a socket (6.7). */
export const SOCKET_OP_SETSOCKOPT = 3;

export const CQE_BUFFER = 1 << 0;
export const CQE_MORE = 1 << 1;
/** More bytes (or the peer's FIN) wait in the socket. */
export const CQE_SOCK_NONEMPTY = 1 << 2;

export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_IP = 0;
export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const SO_REUSEPORT = 15;
export const SO_ATTACH_REUSEPORT_CBPF = 51;
export const SO_DETACH_REUSEPORT_BPF = 68;
export const IPPROTO_TCP = 6;
export const TCP_NODELAY = 1;
/** The port is chosen at connect, per remote address, not at bind. */
export const IP_BIND_ADDRESS_NO_PORT = 24;
/** The ports that one socket may be given: u32, upper bound in the high half (6.3). */
export const IP_LOCAL_PORT_RANGE = 51;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const SHUT_WR = 1;
export const POLLIN = 1;
export const POLLERR = 8;
export const POLLHUP = 16;

export const EINTR = 4;
export const EAGAIN = 11;
export const ENOBUFS = 105;
export const ECONNRESET = 104;
export const ECONNABORTED = 103;
export const ETIME = 62;
export const EBUSY = 16;
export const ENOMEM = 12;
export const ECANCELED = 125;
