"""Writes the figures of tests/unit/test_metrics.c with scikit-learn, from the same made-up logits
and targets (exact in float32). Run by hand when a metric is added: python tests/golden/metrics.py
"""
import warnings

import numpy as np
import sklearn
from sklearn import metrics as m

warnings.simplefilter("ignore")


def noise(i, j, salt):
    """-4 to 4 in steps of 1/16: many equal values, none rounded."""
    h = (i * 2654435761 + j * 40503 * 65537 + salt * 97) % 2**32
    h = (h ^ (h >> 15)) * 2246822519 % 2**32
    h = (h ^ (h >> 13)) * 3266489917 % 2**32
    return ((h ^ (h >> 16)) % 129 - 64) / 16


def logits(rows, n, salt):
    return np.array([[noise(i, j, salt) for j in range(n)] for i in range(rows)])


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def ece(p, y, bins=15):
    """Guo et al. 2017, equation 5; bins (m/M, (m+1)/M]."""
    confidence, right = p.max(axis=1), p.argmax(axis=1) == y
    where = np.clip(np.ceil(confidence * bins) - 1, 0, bins - 1)
    return sum(abs(confidence[where == b].sum() - right[where == b].sum()) for b in range(bins)) / len(y)


def put(name, **values):
    print(name, " ".join(f"{k}={float(v):.12g}" for k, v in values.items()))


def classes(name, z, y):
    p, n = softmax(z), z.shape[1]
    said = z.argmax(axis=1)
    if n == 2:
        auc = m.roc_auc_score(y, p[:, 1]) if len(set(y)) == 2 else np.nan
    else:
        each = [m.roc_auc_score(y == k, p[:, k]) for k in range(n) if 0 < (y == k).sum() < len(y)]
        auc = np.mean(each) if each else np.nan
        if len(set(y)) == n:
            assert np.isclose(auc, m.roc_auc_score(y, p, multi_class="ovr", average="macro"))
    top5 = m.top_k_accuracy_score(y, z, k=5, labels=range(n)) if n > 5 else np.nan
    average = dict(average="macro", zero_division=0)
    put(name, loss=m.log_loss(y, p, labels=range(n)), accuracy=m.accuracy_score(y, said), top5=top5,
        precision=m.precision_score(y, said, **average), recall=m.recall_score(y, said, **average),
        f1=m.f1_score(y, said, **average), auc=auc, ece=ece(p, y))
    return m.confusion_matrix(y, said, labels=range(n))


print("scikit-learn", sklearn.__version__)
# A hint of the truth is added to the logits, so that the figures are not those of chance.
y10 = np.array([(i * 7 + i // 10) % 10 for i in range(200)])
z10 = logits(200, 10, 1) + 2 * np.eye(10)[y10]
print(classes("ten", z10, y10).tolist())
y4 = np.array([i * 7 % 4 for i in range(150)])
print(classes("four", logits(150, 4, 2) + np.eye(4)[y4], y4).tolist())
y2 = np.array([int(noise(i, 0, 9) > 1) for i in range(120)])
classes("binary", logits(120, 2, 3) + np.eye(2)[y2], y2)
absent = np.array([(0, 2, 3)[i % 3] for i in range(90)])  # class 1, 4 and 5 never occur
classes("absent", logits(90, 6, 4) + 3 * np.eye(6)[absent], absent)
single = np.full(40, 2)
classes("single", logits(40, 4, 5), single)
single2 = np.full(40, 1)
classes("single2", logits(40, 2, 6), single2)
kept = np.array([i for i in range(200) if i % 3])  # rows 0, 3, 6, ... carry an ignored label
classes("ignored", z10[kept], y10[kept])

z, y = logits(130, 5, 7), np.array([[int(noise(i, j, 8) > 1) for j in range(5)] for i in range(130)])
y[:, 4] = 0  # a flag that is never set
z = z + 2 * y
average = dict(average="macro", zero_division=0)
loss = np.mean([m.log_loss(y[:, k], 1 / (1 + np.exp(-z[:, k])), labels=[0, 1]) for k in range(5)])
put("flags", loss=loss,
    accuracy=m.accuracy_score(y, z > 0), precision=m.precision_score(y, z > 0, **average),
    recall=m.recall_score(y, z > 0, **average), f1=m.f1_score(y, z > 0, **average),
    auc=np.mean([m.roc_auc_score(y[:, k], z[:, k]) for k in range(4)]))

z, y = logits(110, 3, 10), logits(110, 3, 11)
z = y + z / 4
put("numbers", mse=m.mean_squared_error(y, z), mae=m.mean_absolute_error(y, z), r2=m.r2_score(y, z))
y[:, 1] = 1.5  # a constant target, missed
put("constant", mse=m.mean_squared_error(y, z), r2=m.r2_score(y, z))
z[:, 1] = 1.5  # and met
put("met", mse=m.mean_squared_error(y, z), r2=m.r2_score(y, z))
far = 65536.0  # sums of squares would lose this spread
put("far", r2=m.r2_score(y[:, :1] + far, z[:, :1] + far))

tied = logits(60, 1, 12)[:, 0].round()
put("ties", auc=m.roc_auc_score([int(noise(i, 1, 12) > 0) for i in range(60)], tied))
