#!/usr/bin/env python3
"""Writes digits.h5, the data set that Ingot's quick start trains on.

The 1,797 8x8 images come from scikit-learn's `load_digits`. digits.h5 is in the tree, so nobody
needs to run this: it is kept to show where the file came from, and running it again gives the same
content.

    /x            (1797, 8, 8) uint8, ink from 0 to 16
    /y            (1797,)      int64, the digit; its attribute `classes` holds the names "0" to "9"
    /split/train  (1198,)      int64, ascending indices into /x and /y
    /split/test   (599,)       int64, the held-out third: every third sample of a seeded shuffle
                               ordered by class, so each class gives a third of itself, to within
                               one sample

Only what every HDF5 library reads: hard links, deflate with checksums, no plugin filters,
fixed-length strings.

    make_digits.py [FILE]      needs numpy, h5py, scikit-learn: see benchmarks/peers/setup.sh
"""

import pathlib
import sys

import h5py
import numpy as np
from sklearn.datasets import load_digits

SEED = 1797


def held_out_third(labels, seed):
    """Indices of a stratified third of the samples, and of the rest, both ascending."""
    order = np.random.default_rng(seed).permutation(len(labels))
    order = order[np.argsort(labels[order], kind="stable")]
    test = np.zeros(len(labels), dtype=bool)
    test[order[2::3]] = True
    return np.flatnonzero(test), np.flatnonzero(~test)


def write(path):
    digits = load_digits()
    x = digits.images.astype(np.uint8)
    y = digits.target.astype(np.int64)
    assert x.shape == (1797, 8, 8) and x.max() == 16 and np.array_equal(x, digits.images)
    test, train = held_out_third(y, SEED)

    with h5py.File(path, "w", libver="earliest") as file:
        def add(name, values):
            # No timestamps: the same content gives the same bytes.
            return file.create_dataset(name, data=values, chunks=values.shape, compression="gzip",
                                       compression_opts=9, fletcher32=True, track_times=False)

        add("x", x)
        add("y", y).attrs["classes"] = np.array([str(i) for i in range(10)], dtype="S1")
        add("split/train", train.astype(np.int64))
        add("split/test", test.astype(np.int64))
        file.attrs["title"] = np.bytes_(
            "Optical Recognition of Handwritten Digits (test part, 8x8)")
        file.attrs["source"] = np.bytes_("UCI Machine Learning Repository, doi:10.24432/C50P49; "
                                         "E. Alpaydin and C. Kaynak, 1998")
        file.attrs["licence"] = np.bytes_("CC BY 4.0")


if __name__ == "__main__":
    default = pathlib.Path(__file__).with_name("digits.h5")
    write(sys.argv[1] if len(sys.argv) > 1 else default)
