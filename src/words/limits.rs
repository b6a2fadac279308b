//! Every cap, in one place. A cap that is reached is a refusal that names it, never a cut.

use std::time::Duration;

/// Bytes in a command line.
pub const LINE_BYTES: usize = 4096;
/// Words in a command line, after globs.
pub const LINE_WORDS: usize = 1024;
/// Names that the globs of one line may become.
pub const GLOB_NAMES: usize = 512;
/// Directory entries that the globs of one line may read.
pub const GLOB_ENTRIES: usize = 100_000;
/// How long a path may take to resolve, all globs of a line to expand, or a file to open.
pub const PATH_DEADLINE: Duration = Duration::from_secs(1);
/// Helpers that a dead file system may hold before the next path is refused at once.
pub const STUCK_HELPERS: usize = 8;
/// Symbolic links followed in one path, as in Linux (`path_resolution(7)`).
pub const SYMLINKS: usize = 40;

/// How long a source of users other than the files may take to answer.
pub const USER_DEADLINE: Duration = Duration::from_secs(2);
/// Bytes of an answer about one user.
pub const USER_ANSWER_BYTES: usize = 64 << 10;
/// Bytes of `/etc/passwd` and `/etc/group`, and of an answer that lists many: all users, or groups with their members.
pub const USER_LIST_BYTES: usize = 16 << 20;

/// Finding out what is hidden where a policy reads, for all of its places together: many lookups, on a host that may be busy.
pub const RULESET_DEADLINE: Duration = Duration::from_secs(5);

/// How long a process may take from its beginning to its program's: the program is read from a disk that may be slow.
pub const START_DEADLINE: Duration = Duration::from_secs(10);
/// How long a command that was told to end (the client went away, SIGTERM) has before it is killed.
pub const GRACE: Duration = Duration::from_secs(2);
/// How long a rule's witness may take.
pub const WITNESS_DEADLINE: Duration = Duration::from_secs(10);
/// Bytes that a rule's witness may write.
pub const WITNESS_BYTES: usize = 1024;
/// How long killing what a command left behind, or one that does not die, may hold the shell up.
pub const SWEEP_DEADLINE: Duration = Duration::from_secs(2);
/// Calls of a command's that are answered before the shell's loop turns again.
pub const ANSWERS: usize = 64;
/// Helpers that act for one command at a time; what it asks for beyond that fails with EAGAIN.
pub const DEPUTIES: usize = 64;
/// Programs that a command was stopped from starting, and is said to have been; later attempts are refused at once.
pub const STOPPED_PROGRAMS: usize = 8;
/// Files that a command opens, renames or removes and that are remembered, where its rule asks for that; bytes of their names; how many are
/// listed on record. The rest is counted.
pub const LOGGED_FILES: usize = 4096;
pub const LOGGED_BYTES: usize = 1 << 20;
pub const LISTED_FILES: usize = 256;
/// Links of /proc that are followed in the name of one of them.
pub const PROC_LINKS: usize = 8;
/// Bytes of one message that is sent for a command, and messages in one call.
pub const SENT_BYTES: usize = 64 << 10;
pub const SENT_MESSAGES: u32 = 16;
/// Bytes of a path, its NUL included (PATH_MAX).
pub const PATH_BYTES: usize = 4096;
/// Ancestors of a process that are gone through on the way to the shell.
pub const ANCESTORS: usize = 1024;
/// How long nothing is asked of the guard before it rests.
pub const REST: Duration = Duration::from_millis(500);
/// How long the relay may take to say that a line is over: its last write may be to a slow disk.
pub const RELAY_DEADLINE: Duration = Duration::from_secs(5);
/// Bytes of output passed on at a time.
pub const RELAY_BYTES: usize = 64 << 10;
/// Processes and threads of a user at a time (RLIMIT_NPROC) that a confined command may come to where its rule has no bound of its own: an
/// eighth of the numbers that a small host has (32768).
pub const PROCESSES: u64 = 4096;
/// Pipelines of one line that may have a terminal each: the host has 4096 for everybody (`kernel.pty.max` of proc_sys_kernel(5)).
pub const PIPELINES_ON_TERMINAL: usize = 64;
/// Times that a pipeline that stops itself is continued before it is killed.
pub const CONTINUES: u32 = 1000;

/// Bytes of one message between front and guard.
pub const MESSAGE_BYTES: usize = 4 << 20;
/// Bytes of an answer about names: what globs match, or a directory's.
pub const NAMES_BYTES: usize = 1 << 20;
/// Bytes of an argument or a variable of a process (MAX_ARG_STRLEN of Linux), and so of a line that comes as one.
pub const ARGUMENT_BYTES: usize = 128 << 10;
/// Bytes of what the front says for the records: why a line, or a session, is not to be.
pub const REASON_BYTES: usize = 16 << 10;
/// How long a session that ends at once waits for a person who does not read, and for its last words to be taken: less than [`KILL_GRACE`].
pub const FAREWELL: Duration = Duration::from_millis(200);
/// How long the front may take to read a reply.
pub const REPLY_DEADLINE: Duration = Duration::from_secs(5);
/// How long the guard leaves the front to end a session whose time is over, and to end itself.
pub const FRONT_GRACE: Duration = Duration::from_secs(2);

/// Directory entries that may be looked at to find what a confinement hides.
pub const HIDDEN_ENTRIES: usize = 100_000;
/// Directory entries, by number alone, that may be looked at to find the other names of a hidden file.
pub const LINK_ENTRIES: usize = 1_000_000;
/// Bytes in the index of /etc.
pub const INDEX_BYTES: usize = 8 << 20;
/// Hidden paths that a session covers, each with a mount.
pub const MASKS: usize = 4096;
/// Those among them that one user owns who is not root.
pub const MASKS_OF_USER: usize = 256;
/// Levels of directories below a place that are looked into for what is hidden; what is deeper cannot be read.
pub const HIDDEN_DEPTH: usize = 100;
/// Rulesets that a session keeps.
pub const RULESETS: usize = 32;

/// Bytes in one policy file.
pub const POLICY_BYTES: usize = 4 << 20;
/// Files in a policy tree.
pub const POLICY_FILES: usize = 256;
/// Patterns in each of `hosts:`, `accounts:` and `from:` of a policy file.
pub const SCOPE_PATTERNS: usize = 1000;
/// Bytes in a glob on host names: a name has no more (RFC 1035).
pub const HOST_BYTES: usize = 255;
/// Kinds of people that `who-can` asks for, and sets of files that it looks for one of each kind of: a line and policy that need more are
/// said not to be decided for everybody.
pub const WHO_KINDS: usize = 3000;
pub const WHO_SETS: usize = 1000;
/// Names that each of the files, or each set of them, is tried with.
pub const WHO_NAMES: usize = 1000;
/// Steps that looking for one host name that several globs match may take.
pub const COMMON_STEPS: usize = 20_000;
/// Bytes of the lines that `postern diff` is given.
pub const LINES_BYTES: usize = 16 << 20;
/// Levels of nesting in a policy file.
pub const POLICY_DEPTH: usize = 16;
/// Errors that one check prints.
pub const POLICY_ERRORS: usize = 100;
/// Bytes in a form, its parts filled in.
pub const FORM_BYTES: usize = 16 << 10;
/// Variants that the branches of one form may mean.
pub const FORM_VARIANTS: usize = 64;
/// Steps that deciding one command may take, over all rules.
pub const MATCH_STEPS: u32 = 50_000;
/// Compiled size of the regular expression of one type, in bytes.
pub const REGEX_BYTES: usize = 256 << 10;
/// Rules in a policy.
pub const POLICY_RULES: usize = 100_000;
/// Confinements based on one another.
pub const CONFINEMENT_BASES: usize = 8;

/// Bytes in one record, JSON only; what is longer continues in `command.args` records.
pub const RECORD_BYTES: usize = 2048;
/// How long the syslog socket may take to accept a record.
pub const SYSLOG_DEADLINE: Duration = Duration::from_millis(200);
/// How long the disk may take to accept a record.
pub const DISK_DEADLINE: Duration = Duration::from_secs(1);
/// Bytes of an operator's order to end a session, and of its reason.
pub const ORDER_BYTES: usize = 4 << 10;
pub const ORDER_REASON_BYTES: usize = 512;
/// How long the disk may take to say whether there is one.
pub const ORDER_DEADLINE: Duration = Duration::from_millis(300);
/// How long a session that was told to end may take before its shell is killed.
pub const KILL_GRACE: Duration = Duration::from_secs(1);
/// Bytes of a line of records that is read; ours are shorter.
pub const READ_RECORD_BYTES: usize = 2 * RECORD_BYTES;
/// Parts of records that are kept until their record comes.
pub const READ_PARTS: usize = 8192;
/// Bytes of an event of a recording.
pub const READ_EVENT_BYTES: usize = 1 << 20;
/// Commands of a recording that are gone to.
pub const READ_MARKERS: usize = 100_000;
/// Bytes preallocated for a session's records at a time.
pub const RECORD_RESERVE: u64 = 32 << 10;
/// Bytes of JSON that a name (host, account, client, terminal) may take in a record that has to be split; a longer one moves too.
pub const RECORD_NAME_BYTES: usize = 128;
/// Bytes of stack of the thread that writes records.
pub const RECORD_STACK: usize = 64 << 10;
/// Bytes that are on record of a line from standard input that is too long; its record says how long it was where that is more.
pub const RECORD_LINE_BYTES: usize = 64 << 10;
/// Bytes of the label of a chapter in a recording; a longer one is cut, and is whole in the record of its command.
pub const RECORDING_LABEL_BYTES: usize = 256;
/// Bytes that wait for the disk in the pipe of a recording. Linux lets a user have 64 MiB in pipes before it makes new ones small (pipe(7)).
pub const RECORDING_PIPE: usize = 256 << 10;
/// Bytes of a recording that are written at a time.
pub const RECORDING_BYTES: usize = 64 << 10;
/// How much of a recording a crash of the host may cost, as far as the disk keeps up.
pub const RECORDING_SYNC: Duration = Duration::from_secs(1);
/// After a time-out the syslog socket is not waited for during a second, then two, four, up to this.
pub const SYSLOG_PAUSE: Duration = Duration::from_secs(60);

/// Lines of a session that the arrow keys and `history` bring back.
pub const HISTORY_LINES: usize = 500;

/// Decisions that looking for an allowed line near a refused one may ask for.
pub const HINT_DECISIONS: usize = 30;
