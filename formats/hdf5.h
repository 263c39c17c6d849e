/* HDF5 as Ingot uses it: one lock, no output of its own, our own file driver, and checks on what a
 * file may ask the library to do. Nothing else in formats/ opens an HDF5 file in another way. */
#ifndef IG_FORMATS_HDF5_H
#define IG_FORMATS_HDF5_H

#include <hdf5.h>

#include "engine/base/shape.h"

/* The library may be built without threads and has one lock otherwise, so all use of it goes between
 * these two. Recursive. Error printing is off for the calling thread in between. */
void ig_h5_enter(void);
void ig_h5_leave(void);

/* Runs `body` in a child process and waits. HDF5 1.10 trusts much of what stands in a file that has no
 * checksums, and a damaged one can make it read wild memory or never end: what is to be done with
 * such a file is done in a child first, where that kills nobody. IG_ERR_INPUT when the child crashed
 * or ran out of processor time; IG_OK otherwise, whatever `body` found (the caller does it again and
 * sees), also where no child can be had. */
ig_status ig_h5_rehearse(const char *path, void (*body)(void *context), void *context);

/* An open file. The library reads and writes through `fd` with a driver of ours: no file locking (it
 * fails on NFS), reads only within the file, and after a failed write the rest is dropped and the
 * library goes on undisturbed, so that nothing of it stays dirty: ig_h5_finish reports the cause. */
typedef struct ig_h5_file {
  hid_t id;
  char *path; /* for messages */
  int fd;
  uint64_t size; /* bytes in the file */
  bool writing;
  bool heap_guard;  /* see ig_h5_guard_heap */
  int users;        /* of the library's driver objects, those that point here */
  int error;        /* errno of the first failed call; 0 while there is none */
  const char *verb; /* what that call was doing: "read", "write" */
} ig_h5_file;

/* Records "PATH: the formatted words: the library's innermost reason" (or what the system said when a
 * read or write of the file failed) and empties the library's error stack. The code is `code` unless
 * the cause is memory or the disk. */
ig_status ig_h5_fail(const ig_h5_file *file, ig_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Opens for reading. IG_ERR_INPUT names what is wrong with the file. */
ig_status ig_h5_open(const char *path, ig_h5_file **out);
/* Makes an HDF5 file on `fd` (empty, writable; taken over, also on failure). Times are not recorded
 * and the format is HDF5 1.10's, which checksums all its structures. */
ig_status ig_h5_create(const char *path, int fd, ig_h5_file **out);
/* Ends a written file: everything is on the disk (fsync) when this returns IG_OK. Releases `file`
 * in any case. */
ig_status ig_h5_finish(ig_h5_file *file);
/* Ends a file that was read, or gives up one that was written. NULL is allowed. */
void ig_h5_close(ig_h5_file *file);

/* Variable-length data (h5py's strings) lies in global heaps, which HDF5 does not checksum and whose
 * decoder in 1.10 never ends on a free block of size 0. While the guard is on, the driver walks each
 * heap before the library does and refuses a bad one; switch it on around such reads only, since
 * other data may happen to look like a heap. */
void ig_h5_guard_heap(ig_h5_file *file, bool on);

/* The library crashes when its allocations fail. Asked for before files are opened and datasets read
 * or written: IG_ERR_MEMORY unless there is memory for chunks and metadata, many times over. */
ig_status ig_h5_headroom(const char *path);

/* Limits on what a file may hold, against stack exhaustion and endless walks. */
#define IG_H5_MAX_DEPTH 32
#define IG_H5_MAX_OBJECTS (1 << 18)
/* Rules for datasets. Storage that is not in this file (virtual, external) and filters that are not
 * built in are always refused, as is a declared size above 1,000 times the stored one. */
enum {
  IG_H5_COMPRESSED = 1 /* allow shuffle and deflate; Fletcher-32 is allowed without */
};

/* Opens the group or dataset at an absolute or root-relative path, refusing any link on the way that
 * is not a hard link. *out is < 0 and IG_OK is returned when it does not exist and `optional`. */
ig_status ig_h5_open_group(ig_h5_file *file, const char *name, bool optional, hid_t *out);
ig_status ig_h5_open_dataset(ig_h5_file *file, const char *name, bool optional, unsigned rules,
                             hid_t *out);
/* The rules of ig_h5_open_dataset on a dataset already open. */
ig_status ig_h5_check_dataset(const ig_h5_file *file, hid_t dataset, const char *name,
                              unsigned rules);

/* Calls `visit` with each dataset below an open group, in order of names, its path relative to that
 * group and the dataset open (closed afterwards by the walk). Fails on links other than hard ones,
 * objects other than groups and datasets, and beyond the limits above. */
typedef ig_status (*ig_h5_visit)(void *context, const char *path, hid_t dataset);
ig_status ig_h5_walk(ig_h5_file *file, hid_t group, ig_h5_visit visit, void *context);

/* Element type and shape of a dataset; IG_NONE for a type that is not one of ours
 * (strings, compounds, foreign byte orders). An unsigned 16-bit integer is IG_BF16 when the dataset
 * has the attribute dtype="bfloat16"; an h5py boolean is IG_BOOL. Fails beyond IG_MAX_RANK. */
ig_status ig_h5_type(ig_h5_file *file, hid_t dataset, const char *name, ig_dtype *dtype,
                     ig_shape *shape);
/* The library's type for one of ours as it stands in files (little-endian); H5Tclose releases it. */
hid_t ig_h5_file_type(ig_dtype dtype);

/* The string attribute of an object, at most `size` - 1 bytes; *present says whether it exists. */
ig_status ig_h5_text_attribute(ig_h5_file *file, hid_t object, const char *name, char *text,
                               size_t size, bool *present);

#endif
