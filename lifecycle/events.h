/* TensorBoard event files: scalars and texts of a run, in the format that TensorBoard itself reads.
 *
 * A file is a series of records: u64 length, masked CRC32C of those 8 bytes, the payload, masked
 * CRC32C of the payload (TFRecord). A payload is a protocol buffer `Event` (wall_time = 1, step = 2,
 * file_version = 3, summary = 5, session_log = 7); the first one is "brain.Event:2". */
#ifndef IG_LIFECYCLE_EVENTS_H
#define IG_LIFECYCLE_EVENTS_H

#include "engine/base/status.h"

typedef struct ig_events ig_events;

/* A new file "events.out.tfevents.<time>.ingot.<process>" in `folder`. `first_step` above 0 says
 * that the run was resumed there: TensorBoard then forgets what earlier files hold from that step
 * on. */
ig_status ig_events_create(const char *folder, int64_t first_step, ig_events **out);
/* A point of the curve `tag`, e.g. "train/loss". NaN and infinities are kept. */
ig_status ig_events_scalar(ig_events *events, const char *tag, int64_t step, double value);
/* A text (Markdown) under `tag`, for the configuration of a run. */
ig_status ig_events_text(ig_events *events, const char *tag, int64_t step, const char *text);
/* So that a running TensorBoard sees what was recorded. */
ig_status ig_events_flush(ig_events *events);
/* Flushes and releases. NULL is allowed. */
ig_status ig_events_close(ig_events *events);

/* CRC32C (Castagnoli, reflected polynomial 0x82f63b78) of the bytes. */
uint32_t ig_crc32c(const void *bytes, size_t size);

#endif
