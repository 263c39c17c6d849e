"""Makes the small files that the reader tests open, with the tools whose formats they are.

    python3 -m venv env && env/bin/pip install numpy h5py pillow
    env/bin/python tests/formats/golden/make_golden.py

Written with numpy 2.4.6, h5py 3.16.0, Pillow 13.0.0. The values follow simple rules, which the tests
state again: they do not read these numbers from here.
"""
import os
import numpy as np
import h5py
from PIL import Image

os.chdir(os.path.dirname(os.path.abspath(__file__)))
table = np.arange(12).reshape(4, 3)  # element (i, j) is 3 i + j

# .npy in every number type, order and layout
for descr in ["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "|i1", "<u8", "<u4", "<u2", "|u1", ">f4", ">i8", ">u2"]:
    name = descr.replace("<", "le_").replace(">", "be_").replace("|", "")
    np.save(f"table_{name}.npy", table.astype(descr))
np.save("table_bool.npy", table % 2 == 1)
np.save("table_fortran.npy", np.asfortranarray(table.astype("<f4")))
np.save("cube_fortran.npy", np.asfortranarray(np.arange(24).reshape(2, 3, 4).astype("<i4")))
np.save("objects.npy", np.array([1, "a"], dtype=object), allow_pickle=True)
np.save("records.npy", np.zeros(3, dtype=[("a", "<f4"), ("b", "<i4")]))
np.save("text.npy", np.array(["a", "b"]))
np.save("scalar.npy", np.float32(1))

# .npz: images [H, W, C] with labels, stored and deflated; two inputs and no target
images = (np.arange(5 * 6 * 4 * 3) % 251).astype("u1").reshape(5, 6, 4, 3)
labels = np.array([2, 0, 1, 2, 0], dtype="<i8")
np.savez("images.npz", y=labels, x=images)
np.savez_compressed("images_deflated.npz", y=labels, x=images)
np.savez("two_inputs.npz", a=np.ones((3, 2), "<f4"), b=np.zeros((3, 4), "<f4"))
np.savez("uneven.npz", x=np.ones((3, 2), "<f4"), y=np.zeros(2, "<i8"))

# HDF5: a chunked, deflated, shuffled and checksummed set with a split; and what must be refused
with h5py.File("set.h5", "w") as f:
    x = f.create_dataset("x", data=(np.arange(20 * 6) / 2).astype("<f4").reshape(20, 6), chunks=(4, 6),
                         compression="gzip", shuffle=True, fletcher32=True)
    f.create_dataset("y", data=(np.arange(20) % 4).astype("<i8"))
    f.create_dataset("split/train", data=np.array([0, 2, 4, 6, 8, 10], "<i8"))
    f.create_dataset("split/test", data=np.array([1, 19], "<i4"))
    f.create_dataset("wide/be", data=np.arange(20, dtype=">f8"))
    f.create_dataset("wide/u2", data=np.arange(20, dtype="<u2") + 65000)
    f.create_dataset("wide/half", data=(np.arange(20) / 4).astype("<f2"))
    f.create_dataset("wide/flag", data=np.arange(20) % 2 == 1)
    f["y"].attrs["classes"] = np.array(["ant", "bee", "cat", "dog"], "S")
with h5py.File("links.h5", "w") as f:
    f["y"] = np.zeros(4, "<i8")
    f["real"] = np.zeros((4, 2), "<f4")
    f["x"] = h5py.SoftLink("/real")
with h5py.File("external_link.h5", "w") as f:
    f["y"] = np.zeros(4, "<i8")
    f["x"] = h5py.ExternalLink("set.h5", "/x")
with h5py.File("external_data.h5", "w") as f:
    f["y"] = np.zeros(4, "<i8")
    f.create_dataset("x", shape=(4, 2), dtype="<f4", external=[("secret.bin", 0, 32)])
with h5py.File("virtual.h5", "w") as f:
    layout = h5py.VirtualLayout(shape=(4, 2), dtype="<f4")
    layout[:] = h5py.VirtualSource("set.h5", "x", shape=(20, 6))[0:4, 0:2]
    f.create_virtual_dataset("x", layout)
    f["y"] = np.zeros(4, "<i8")
with h5py.File("filter.h5", "w") as f:
    f.create_dataset("x", data=np.zeros((4, 2), "<f4"), compression="lzf")
    f["y"] = np.zeros(4, "<i8")
with h5py.File("strings.h5", "w") as f:
    f["x"] = ["a", "b"]
    f["y"] = np.zeros(2, "<i8")
with h5py.File("huge.h5", "w") as f:  # says 8 TB, stores nothing
    f.create_dataset("x", shape=(10**9, 1000), dtype="<f8", chunks=(1, 1000))
    f.create_dataset("y", shape=(10**9,), dtype="<i8", chunks=(1000,))

# Pictures: a gradient as RGB and grey PNG, palette PNG, RGBA PNG, 16-bit PNG and JPEG, 10 high, 16 wide
h, w = 10, 16
ys, xs = np.mgrid[0:h, 0:w]
rgb = np.stack([xs * 16, ys * 25, (xs + ys) * 9], -1).astype("u1")
Image.fromarray(rgb).save("rgb.png")
Image.fromarray(rgb[:, :, 0]).save("grey.png")
Image.fromarray(np.dstack([rgb, np.full((h, w), 128, "u1")])).save("rgba.png")
Image.fromarray((xs % 4).astype("u1")).convert("P").save("palette.png")
Image.fromarray((xs * 4096 + 255).astype("<u2")).save("deep.png")
Image.fromarray(rgb).save("rgb.jpg", quality=95, subsampling=0)
Image.fromarray(rgb[:, :, 0]).save("grey.jpg", quality=95)
# What Pillow makes of rgb.png at 7 x 5 and at 20 x 24 (BILINEAR, its default antialiasing)
np.save("resized_5x7.npy", np.asarray(Image.fromarray(rgb).resize((7, 5), Image.BILINEAR)))
np.save("resized_24x20.npy", np.asarray(Image.fromarray(rgb).resize((20, 24), Image.BILINEAR)))
np.save("decoded_jpg.npy", np.asarray(Image.open("rgb.jpg")))
