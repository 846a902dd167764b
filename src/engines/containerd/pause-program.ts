/**
 * The program that holds a pod's namespaces, as machine code: an ELF executable of some 250 bytes that needs no
 * compiler, no library and no registry. In C it would read
 *
 *     block SIGINT, SIGTERM and SIGCHLD
 *     for (;;) switch (wait for one of them) {
 *       SIGINT, SIGTERM: exit with status 0
 *       SIGCHLD:         reap every child that has ended (it is PID 1 where a pod shares its process namespace)
 *     }
 *
 * Blocked signals stay pending also for PID 1, whose default dispositions the kernel ignores (signal(7), pid_namespaces(7)),
 * so no signal handler is needed.
 */
export type Architecture = 'amd64' | 'arm64';

/** The executable for an architecture, named as Go names it. */
export function pauseProgram(architecture: Architecture): Uint8Array {
  return architecture === 'amd64' ? elf(62, 0x1000, amd64Code()) : elf(183, 0x10000, arm64Code());
}

const SIGINT = 2;
const SIGTERM = 15;
const SIGCHLD = 17;
const signalSet = (1 << (SIGINT - 1)) | (1 << (SIGTERM - 1)) | (1 << (SIGCHLD - 1));
const signalSetSize = 8;
const SIG_BLOCK = 0;
const WNOHANG = 1;

type Label = 'wait' | 'exit' | 'reap';
type Instruction<J> = J | { readonly label: Label };

function amd64Code(): Uint8Array {
  // A jump is one byte of operation and one of distance from the byte behind it.
  type Part = readonly number[] | { readonly jump: number; readonly to: Label };
  const syscall = [0x0f, 0x05];
  const eax = (number: number) => [0xb8, number & 255, number >> 8, 0, 0];
  const r10 = (small: number) => [0x6a, small, 0x41, 0x5a];
  const [ediZero, esiZero, edxZero] = [
    [0x31, 0xff],
    [0x31, 0xf6],
    [0x31, 0xd2],
  ] as const;
  const compareEax = (small: number) => [0x83, 0xf8, small];
  const [equal, notEqual, greater, always] = [0x74, 0x75, 0x7f, 0xeb] as const;
  const program: readonly Instruction<Part>[] = [
    // push signalSet; rt_sigprocmask(SIG_BLOCK, rsp, NULL, 8)
    [0x68, signalSet & 255, (signalSet >> 8) & 255, (signalSet >> 16) & 255, 0],
    [...ediZero, 0x48, 0x89, 0xe6, ...edxZero, ...r10(signalSetSize), ...eax(14), ...syscall],
    { label: 'wait' },
    // rt_sigtimedwait(rsp, NULL, NULL, 8)
    [0x48, 0x89, 0xe7, ...esiZero, ...edxZero, ...r10(signalSetSize), ...eax(128), ...syscall],
    compareEax(SIGCHLD),
    { jump: equal, to: 'reap' },
    compareEax(SIGTERM),
    { jump: equal, to: 'exit' },
    compareEax(SIGINT),
    { jump: notEqual, to: 'wait' },
    { label: 'exit' },
    // exit_group(0)
    [...ediZero, ...eax(231), ...syscall],
    { label: 'reap' },
    // while (wait4(-1, NULL, WNOHANG, NULL) > 0);
    [0x48, 0xc7, 0xc7, 0xff, 0xff, 0xff, 0xff, ...esiZero, 0x6a, WNOHANG, 0x5a, ...r10(0), ...eax(61), ...syscall],
    [0x85, 0xc0],
    { jump: greater, to: 'reap' },
    { jump: always, to: 'wait' },
  ];
  const sizeOf = (part: Part) => ('jump' in part ? 2 : part.length);
  const at = addresses(program, sizeOf);
  const code: number[] = [];
  for (const part of program) {
    if ('label' in part) continue;
    if ('jump' in part) code.push(part.jump, (at[part.to] - (code.length + 2)) & 255);
    else code.push(...part);
  }
  return Uint8Array.from(code);
}

function arm64Code(): Uint8Array {
  // Instructions are 32 bits; a branch holds its distance in instructions at bit `shift`.
  type Part = number | { readonly branch: number; readonly shift: number; readonly mask: number; readonly to: Label };
  const set = (register: number, value: number) => (0xd2800000 | (value << 5) | register) >>> 0;
  const stackTo = (register: number) => 0x910003e0 | register;
  const call = 0xd4000001;
  const compareX0 = (value: number) => 0xf100001f | (value << 10);
  const when = (condition: number, to: Label) => ({ branch: 0x54000000 | condition, shift: 5, mask: 0x7ffff, to });
  const [equal, notEqual, greater] = [0, 1, 12] as const;
  const program: readonly Instruction<Part>[] = [
    // x9 = signalSet, in two halves; push it
    set(9, signalSet & 0xffff),
    0xf2a00000 | ((signalSet >> 16) << 5) | 9,
    0xf81f0fe9,
    ...[set(0, SIG_BLOCK), stackTo(1), set(2, 0), set(3, signalSetSize), set(8, 135), call],
    { label: 'wait' },
    ...[stackTo(0), set(1, 0), set(2, 0), set(3, signalSetSize), set(8, 137), call],
    compareX0(SIGCHLD),
    when(equal, 'reap'),
    compareX0(SIGTERM),
    when(equal, 'exit'),
    compareX0(SIGINT),
    when(notEqual, 'wait'),
    { label: 'exit' },
    ...[set(0, 0), set(8, 94), call],
    { label: 'reap' },
    // x0 = -1
    0x92800000,
    ...[set(1, 0), set(2, WNOHANG), set(3, 0), set(8, 260), call],
    compareX0(0),
    when(greater, 'reap'),
    { branch: 0x14000000, shift: 0, mask: 0x3ffffff, to: 'wait' },
  ];
  const at = addresses(program, () => 1);
  const words: number[] = [];
  for (const part of program) {
    if (typeof part === 'number') words.push(part);
    else if ('branch' in part) words.push(part.branch | (((at[part.to] - words.length) & part.mask) << part.shift));
  }
  const code = new DataView(new ArrayBuffer(words.length * 4));
  words.forEach((word, index) => {
    code.setUint32(index * 4, word >>> 0, true);
  });
  return new Uint8Array(code.buffer);
}

function addresses<P>(program: readonly Instruction<P>[], sizeOf: (part: P) => number): Record<Label, number> {
  const at = { wait: 0, exit: 0, reap: 0 };
  let address = 0;
  for (const part of program) {
    if (isLabel(part)) at[part.label] = address;
    else address += sizeOf(part);
  }
  return at;
}

function isLabel(part: unknown): part is { readonly label: Label } {
  return typeof part === 'object' && part !== null && 'label' in part;
}

/** A static ELF64 executable: one segment to read and execute, and a note that the stack is not executable (elf(5)). */
function elf(machine: number, pageSize: number, code: Uint8Array): Uint8Array {
  const [headerSize, segmentSize, base] = [64, 56, 0x400000];
  const codeOffset = headerSize + 2 * segmentSize;
  const size = codeOffset + code.length;
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  const u16 = (offset: number, value: number) => view.setUint16(offset, value, true);
  const u32 = (offset: number, value: number) => view.setUint32(offset, value, true);
  const u64 = (offset: number, value: number) => view.setBigUint64(offset, BigInt(value), true);
  // 64 bits, little endian, version 1, System V
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]);
  u16(16, 2);
  u16(18, machine);
  u32(20, 1);
  u64(24, base + codeOffset);
  u64(32, headerSize);
  u16(52, headerSize);
  u16(54, segmentSize);
  u16(56, 2);
  u16(58, 64);
  const segment = (offset: number, type: number, flags: number, length: number, align: number) => {
    u32(offset, type);
    u32(offset + 4, flags);
    u64(offset + 16, length === 0 ? 0 : base);
    u64(offset + 24, length === 0 ? 0 : base);
    u64(offset + 32, length);
    u64(offset + 40, length);
    u64(offset + 48, align);
  };
  const [PT_LOAD, PT_GNU_STACK, readExecute, readWrite] = [1, 0x6474e551, 5, 6] as const;
  segment(headerSize, PT_LOAD, readExecute, size, pageSize);
  segment(headerSize + segmentSize, PT_GNU_STACK, readWrite, 0, 16);
  file.set(code, codeOffset);
  return file;
}
