// The kernels' vocabulary in C99, C++ and CUDA: one lane. The same words as `#lanes.ts`, with the same meaning.
//
// Every operation rounds on its own, to nearest even. Compilers may contract a product and a sum to one operation: CUDA has intrinsics that never
// are; elsewhere a result passes through a register that the compiler cannot look into, which costs nothing.

#if defined(__FAST_MATH__)
#error "compile without -ffast-math: it changes the results"
#endif
// 16, where the processor has half floats (C23, annex H), means the same for floats as 0.
#if defined(FLT_EVAL_METHOD) && FLT_EVAL_METHOD != 0 && FLT_EVAL_METHOD != 16
#error "floats must be computed as floats: compile with -msse2 -mfpmath=sse"
#endif

#ifdef __CUDACC__
#define WORD(type) static __host__ __device__ __forceinline__ type
#define CONSTANT(type) static constexpr type
#else
#define WORD(type) static inline type
#define CONSTANT(type) static const type
#endif

#if defined(__CUDA_ARCH__)
#define ADD(a, b) __fadd_rn(a, b)
#define SUBTRACT(a, b) __fsub_rn(a, b)
#define MULTIPLY(a, b) __fmul_rn(a, b)
#else
#if defined(__GNUC__) && (defined(__x86_64__) || defined(__SSE2__))
#define KEEP(value) __asm__("" : "+x"(value))
#elif defined(__GNUC__) && defined(__aarch64__)
#define KEEP(value) __asm__("" : "+w"(value))
#endif
#ifdef KEEP
WORD(float) kept(float value) { KEEP(value); return value; }
#else
WORD(float) kept(float value) { volatile float memory = value; return memory; }
#endif
#define ADD(a, b) kept((a) + (b))
#define SUBTRACT(a, b) kept((a) - (b))
#define MULTIPLY(a, b) kept((a) * (b))
#endif

typedef float Lanes;
typedef int32_t Words;
typedef int32_t i32;
typedef float f32;
typedef uint32_t usize;
typedef int Mask;
#ifndef __cplusplus
typedef int bool;
#endif
typedef uint32_t Row;

WORD(Lanes) plus(Lanes a, Lanes b) { return ADD(a, b); }
WORD(Lanes) minus(Lanes a, Lanes b) { return SUBTRACT(a, b); }
WORD(Lanes) times(Lanes a, Lanes b) { return MULTIPLY(a, b); }
WORD(Lanes) minusExactly(Lanes a, Lanes b) { return minus(a, b); }
WORD(Lanes) timesExactly(Lanes a, Lanes b) { return times(a, b); }
WORD(Lanes) larger(Lanes a, Lanes b) { return a < b ? b : a; }
WORD(Lanes) smaller(Lanes a, Lanes b) { return b < a ? b : a; }

WORD(Lanes) every(f32 value) { return value; }
WORD(Words) everyWord(i32 value) { return value; }
WORD(Words) toBits(Lanes a) { Words bits; memcpy(&bits, &a, 4); return bits; }
WORD(Words) integerBits(Lanes a) { return toBits(a); }
WORD(Lanes) ofBits(Words a) { Lanes value; memcpy(&value, &a, 4); return value; }

WORD(Mask) atLeast(Lanes a, Lanes b) { return a >= b; }
WORD(Mask) wordAbove(Words a, Words b) { return a > b; }
WORD(Mask) wordEquals(Words a, Words b) { return a == b; }
WORD(Mask) isNaNLane(Lanes a) { return (toBits(a) & 0x7fffffff) > 0x7f800000; }
WORD(bool) anyLane(Mask mask) { return mask != 0; }
WORD(Mask) eitherMask(Mask a, Mask b) { return a | b; }
WORD(Lanes) pick(Mask mask, Lanes a, Lanes b) { return mask ? a : b; }
WORD(Words) pickWord(Mask mask, Words a, Words b) { return mask ? a : b; }

WORD(Words) andWord(Words a, Words b) { return a & b; }
WORD(Words) orWord(Words a, Words b) { return a | b; }
WORD(Words) addWord(Words a, Words b) { return (Words)((uint32_t)a + (uint32_t)b); }
WORD(Words) shiftLeft(Words a, i32 by) { return (Words)((uint32_t)a << by); }
// The sign fills in.
WORD(Words) shiftRight(Words a, i32 by) { return a < 0 ? ~(~a >> by) : a >> by; }

// Addresses are bytes from the tables' start.
WORD(i32) loadWord(usize address) { return (i32)TABLE_WORD(address >> 2); }
WORD(Words) loadWords(usize address) { return loadWord(address); }
WORD(Lanes) loadLanes(usize address) { return ofBits(loadWord(address)); }
WORD(Words) gatherWord(Words at) { return loadWord((usize)at); }
WORD(Lanes) gather(Words at) { return ofBits(loadWord((usize)at)); }
// With one lane a row is its address, and the rows of lanes 1 to 3 are not there.
WORD(Row) row0(Words at, usize skip) { return (usize)at + skip; }
WORD(Row) row1(Words at, usize skip) { (void)at; (void)skip; return 0; }
WORD(Row) row2(Words at, usize skip) { (void)at; (void)skip; return 0; }
WORD(Row) row3(Words at, usize skip) { (void)at; (void)skip; return 0; }
WORD(Lanes) column0(Row a, Row b, Row c, Row d) { (void)b; (void)c; (void)d; return loadLanes(a); }
WORD(Lanes) column1(Row a, Row b, Row c, Row d) { (void)b; (void)c; (void)d; return loadLanes(a + 4); }
WORD(Lanes) column2(Row a, Row b, Row c, Row d) { (void)b; (void)c; (void)d; return loadLanes(a + 8); }
WORD(Lanes) column3(Row a, Row b, Row c, Row d) { (void)b; (void)c; (void)d; return loadLanes(a + 12); }
WORD(Words) wordColumn2(Row a, Row b, Row c, Row d) { (void)b; (void)c; (void)d; return loadWord(a + 8); }
