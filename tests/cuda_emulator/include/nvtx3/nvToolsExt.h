/* NVTX ranges, which a profiler would show: here they are only nested and counted. */
#ifndef IG_EMULATED_NVTOOLSEXT_H
#define IG_EMULATED_NVTOOLSEXT_H

#ifdef __cplusplus
extern "C" {
#endif

/* Both give the depth of the range, from 0; a pop without a push gives -2, as NVTX's error does. */
int nvtxRangePushA(const char *message);
int nvtxRangePop(void);
void nvtxMarkA(const char *message);
#define nvtxRangePush nvtxRangePushA
#define nvtxMark nvtxMarkA

#ifdef __cplusplus
}
#endif
#endif
