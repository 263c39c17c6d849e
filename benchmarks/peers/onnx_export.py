"""Writes ONNX models of random weights as other people's exporters write them, with inputs beside each.

    onnx_export.py FOLDER timed [NAMES...]      torch.onnx, opset 18, sizes that take some milliseconds
    onnx_export.py FOLDER torch [NAMES...]      torch.onnx at opsets 20 and 23, small, with fixed and with free dimensions
    onnx_export.py FOLDER channels_last         what tf2onnx writes of networks with channels last, node by node
    onnx_export.py FOLDER sklearn               skl2onnx of scikit-learn's perceptrons and linear models

Each model is FOLDER/NAME.onnx and FOLDER/NAME.in.npz; onnx_infer.py compares and times them.
"""

import pathlib
import sys
import warnings

import numpy as np

warnings.filterwarnings("ignore")


# --- torch.onnx -------------------------------------------------------------------------------------


def families(small):
    """Name: what makes the module, its arguments, names of these, free dimensions, and arguments of other sizes."""
    import torch
    import torchvision
    import transformers as tf

    class Part(torch.nn.Module):
        """A model of which one output is wanted, with these settings."""

        def __init__(self, model, **settings):
            super().__init__()
            self.model, self.settings = model, settings

        def forward(self, x):
            return self.model(x, **self.settings)[0]

    class Masked(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, ids, mask):
            return self.model(ids, attention_mask=mask)[0]

    class UNet(torch.nn.Module):
        def __init__(self, width):
            super().__init__()
            nn, conv = torch.nn, torch.nn.Conv2d
            self.down = nn.Sequential(conv(3, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
            self.deep = nn.Sequential(conv(width, 2 * width, 3, padding=1), nn.ReLU())
            self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
            self.last, self.width = conv(2 * width, 4, 1), width

        def forward(self, x):
            a = self.down(x)
            b = self.deep(torch.nn.functional.max_pool2d(a, 2))
            c = torch.nn.functional.interpolate(b, scale_factor=2, mode="bilinear")
            return self.last(torch.cat([a, self.up(b) + c[:, :self.width]], 1))

    def vision(name):
        settings = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
        model = getattr(torchvision.models, name)(weights=None, num_classes=10, **settings)
        for part in model.modules():
            if isinstance(part, torch.nn.BatchNorm2d):
                part.running_mean.normal_(0, 0.1)
                part.running_var.uniform_(0.5, 1.5)
        return model

    auto = torch.export.Dim.AUTO
    side = 64 if small else 128
    images, others = torch.randn(2 if small else 4, 3, side, side), torch.randn(3, 3, side, side)
    vocabulary, embd, layers, heads, tokens = (100, 64, 2, 4, 12) if small else (1000, 256, 4, 8, 128)
    ids, more = torch.randint(0, vocabulary, (2 if small else 4, tokens)), torch.randint(0, vocabulary, (3, 20))
    mask, other_mask = torch.ones_like(ids), torch.ones_like(more)
    mask[1, tokens * 2 // 3:] = other_mask[1, 8:] = 0
    free = ({0: auto, 1: auto},)
    found = {}
    names = ["resnet18", "mobilenet_v2", "efficientnet_b0", "densenet121", "swin_t"]
    if not small:
        names += ["shufflenet_v2_x0_5", "squeezenet1_1", "googlenet", "convnext_tiny", "regnet_y_400mf", "mnasnet0_5",
                  "mobilenet_v3_small"]
    for name in names:
        batch = ({0: auto, 2: auto, 3: auto},) if name in ("resnet18", "mobilenet_v2") else ({0: auto},)
        found[name] = (lambda name=name: vision(name), (images,), ["x"], batch, (others,))
    found["unet"] = (lambda: UNet(8 if small else 32), (images,), ["x"], ({0: auto},), (others,))
    found["vit"] = (lambda: torchvision.models.VisionTransformer(
        image_size=side, patch_size=16, num_layers=layers, num_heads=heads if small else 6,
        hidden_dim=embd if small else 384, mlp_dim=4 * embd, num_classes=10), (images,), ["x"], ({0: auto},), (others,))
    found["gpt2"] = (lambda: Part(tf.GPT2LMHeadModel(tf.GPT2Config(
        vocab_size=vocabulary, n_positions=128, n_embd=embd, n_layer=layers, n_head=heads)), use_cache=False),
        (ids,), ["ids"], free, (more,))
    found["llama"] = (lambda: Part(tf.LlamaForCausalLM(tf.LlamaConfig(
        vocab_size=vocabulary, hidden_size=embd, intermediate_size=embd * 43 // 16, num_hidden_layers=layers,
        num_attention_heads=heads, num_key_value_heads=heads // 2, max_position_embeddings=256)), use_cache=False),
        (ids,), ["ids"], free, (more,))
    found["bert"] = (lambda: Masked(tf.BertModel(tf.BertConfig(
        vocab_size=vocabulary, hidden_size=embd, num_hidden_layers=layers, num_attention_heads=heads,
        intermediate_size=4 * embd, max_position_embeddings=128))), (ids, mask), ["ids", "mask"], free * 2,
        (more, other_mask))
    positions = 50 if small else 250
    found["whisper_encoder"] = (lambda: Part(tf.WhisperModel(tf.WhisperConfig(
        vocab_size=100, d_model=embd, encoder_layers=layers, decoder_layers=1, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=4 * embd, decoder_ffn_dim=128, max_source_positions=positions,
        pad_token_id=0, bos_token_id=1, eos_token_id=2, decoder_start_token_id=1)).encoder),
        (torch.randn(2, 80, 2 * positions),), ["x"], ({0: auto},), (torch.randn(3, 80, 2 * positions),))
    return found


def export_torch(folder, wanted, small):
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    for name, (make, args, names, dims, others) in families(small).items():
        if wanted and name not in wanted:
            continue
        model = make().eval()
        for opset in (20, 23) if small else (18,):
            for dynamic in (False, True) if small else (False,):
                stem = f"{name}_{opset}{'_free' if dynamic else ''}" if small else name
                torch.onnx.export(model, args, folder / f"{stem}.onnx", input_names=names, opset_version=opset,
                                  dynamo=True, external_data=False, dynamic_shapes=dims if dynamic else None,
                                  verbose=False)
                given = others if dynamic else args
                np.savez(folder / f"{stem}.in.npz", **{n: a.numpy() for n, a in zip(names, given)})


# --- tf2onnx ----------------------------------------------------------------------------------------


class ChannelsLast:
    """A graph built as tf2onnx 1.16 writes it: NHWC outside, a Transpose before and after what ONNX has in NCHW."""

    def __init__(self):
        self.nodes, self.constants = [], []
        self.rng = np.random.default_rng(0)

    def constant(self, array):
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(array), f"const_{len(self.constants)}"))
        return self.constants[-1].name

    def weight(self, *dims):
        return self.constant((self.rng.standard_normal(dims) * (2 / np.prod(dims[1:])) ** 0.5).astype("f4"))

    def node(self, op, inputs, **attributes):
        from onnx import helper

        out = f"{op}_{len(self.nodes)}:0"
        self.nodes.append(helper.make_node(op, inputs, [out], name=out[:-2], **attributes))
        return out

    def inside(self, op, inputs, **attributes):
        inputs = [self.node("Transpose", inputs[:1], perm=[0, 3, 1, 2])] + inputs[1:]
        return self.node("Transpose", [self.node(op, inputs, **attributes)], perm=[0, 2, 3, 1])

    def conv(self, x, c_in, c_out, kernel=3, stride=1, pad="SAME_UPPER", group=1, act="Relu", norm=False):
        weight = self.weight(c_out, c_in // group, kernel, kernel)
        window = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "auto_pad": pad, "group": group}
        if norm:
            x = self.node("Transpose", [x], perm=[0, 3, 1, 2])
            x = self.node("Conv", [x, weight], **window)
            near = [self.constant((at + 0.1 * self.rng.random(c_out)).astype("f4")) for at in (1, 0, 0, 1)]
            x = self.node("BatchNormalization", [x, *near], epsilon=1e-3)
            x = self.node("Transpose", [x], perm=[0, 2, 3, 1])
        else:
            x = self.inside("Conv", [x, weight], **window)
            x = self.node("Add", [x, self.constant((0.1 * self.rng.standard_normal(c_out)).astype("f4"))])
        return self.activation(x, act)

    def activation(self, x, act):
        number = lambda value: self.constant(np.float32(value))
        if act == "Relu6":
            return self.node("Clip", [x, number(0), number(6)])
        if act == "swish":
            return self.node("Mul", [x, self.node("Sigmoid", [x])])
        if act == "hard_swish":
            gate = self.node("Clip", [self.node("Add", [x, number(3)]), number(0), number(6)])
            return self.node("Mul", [x, self.node("Mul", [gate, number(1 / 6)])])
        return self.node(act, [x]) if act else x

    def save(self, folder, name, out, shape, side, opset):
        from onnx import TensorProto, checker, helper, save

        value = helper.make_tensor_value_info
        graph = helper.make_graph(self.nodes, name, [value("image", TensorProto.FLOAT, ["N", side, side, 3])],
                                  [value(out, TensorProto.FLOAT, ["N", *shape])], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
        checker.check_model(model)
        save(model, folder / f"{name}.onnx")
        np.savez(folder / f"{name}.in.npz", image=self.rng.standard_normal((4, side, side, 3)).astype("f4"))


def channels_last_classifier(folder, name, act, norm, opset, side=64):
    g = ChannelsLast()
    x = g.node("Pad", ["image", g.constant(np.array([0, 1, 1, 0, 0, 1, 1, 0]))], mode="constant")
    x = g.conv(x, 3, 32, 3, 2, "VALID", act=act, norm=norm)
    x = g.inside("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2], auto_pad="VALID")
    for c_in, c_out, stride in ((32, 64, 1), (64, 64, 1), (64, 128, 2)):
        y = g.conv(x, c_in, c_in, 3, stride, group=c_in, act=act, norm=norm)
        y = g.conv(y, c_in, c_out, 1, act=None, norm=norm)
        x = g.node("Add", [y, x]) if c_in == c_out else y
    gate = g.node("ReduceMean", [x], axes=[1, 2], keepdims=1)
    gate = g.conv(g.conv(gate, 128, 32, 1), 32, 128, 1, act="Sigmoid")
    x = g.node("Mul", [x, gate])
    x = g.node("Concat", [x, g.conv(x, 128, 64, act=act, norm=norm)], axis=3)
    x = g.node("GlobalAveragePool", [g.node("Transpose", [x], perm=[0, 3, 1, 2])])
    x = g.node("Squeeze", [x, g.constant(np.array([2, 3]))])
    x = g.node("Add", [g.node("MatMul", [x, g.weight(192, 10)]), g.constant(np.zeros(10, "f4"))])
    g.save(folder, name, x, [10], side, opset)


def channels_last_unet(folder, mode, places, opset, side=64):
    g = ChannelsLast()
    wide = g.conv(g.conv("image", 3, 32), 32, 32)
    deep = g.inside("MaxPool", [wide], kernel_shape=[2, 2], strides=[2, 2], auto_pad="VALID")
    deep = g.conv(deep, 32, 64)
    rounding = {"nearest_mode": "round_prefer_floor" if places == "half_pixel" else "floor"}
    large = g.inside("Resize", [deep, "", g.constant(np.array([1, 1, 2, 2], "f4"))], mode=mode,
                     coordinate_transformation_mode=places, **(rounding if mode == "nearest" else {}))
    up = g.inside("ConvTranspose", [deep, g.weight(64, 32, 2, 2)], kernel_shape=[2, 2], strides=[2, 2])
    up = g.node("Add", [up, g.constant(np.zeros(32, "f4"))])
    x = g.conv(g.node("Concat", [wide, large, up], axis=3), 128, 32)
    x = g.node("Pad", [x, g.constant(np.array([0, 2, 2, 0, 0, 2, 2, 0]))], mode="reflect")
    x = g.node("Softmax", [g.conv(x, 32, 4, 5, pad="VALID", act=None)], axis=-1)
    g.save(folder, f"unet_{mode}_{places}", x, [side, side, 4], side, opset)


def export_channels_last(folder):
    channels_last_classifier(folder, "mobile_relu6", "Relu6", True, 15)
    channels_last_classifier(folder, "mobile_swish", "swish", False, 13)
    channels_last_classifier(folder, "mobile_hard_swish", "hard_swish", True, 15)
    channels_last_classifier(folder, "mobile_relu", "Relu", False, 13)
    for mode, places, opset in (("linear", "half_pixel", 15), ("linear", "align_corners", 13),
                                ("nearest", "half_pixel", 13), ("nearest", "asymmetric", 15)):
        channels_last_unet(folder, mode, places, opset)


# --- skl2onnx ---------------------------------------------------------------------------------------


def export_sklearn(folder):
    from skl2onnx import to_onnx
    from sklearn import datasets, linear_model, neural_network, preprocessing
    from sklearn.pipeline import make_pipeline

    (iris, kinds), (cancer, benign) = (load(return_X_y=True) for load in (datasets.load_iris, datasets.load_breast_cancer))
    (digits, digit), (ill, progress) = (load(return_X_y=True) for load in (datasets.load_digits, datasets.load_diabetes))
    words = np.array(["setosa", "versicolor", "virginica"])[kinds]
    scaler = preprocessing.StandardScaler

    def perceptron(kind=neural_network.MLPClassifier, **settings):
        return kind(hidden_layer_sizes=(16, 8), max_iter=60, random_state=0, **settings)

    cases = {
        "iris": (make_pipeline(scaler(), perceptron()), iris, kinds, {}),
        "iris_words": (make_pipeline(scaler(), perceptron(activation="tanh")), iris, words, {}),
        "iris_array": (make_pipeline(scaler(), perceptron(activation="logistic")), iris, kinds, {"zipmap": False}),
        "iris_words_array": (make_pipeline(preprocessing.MinMaxScaler(), perceptron(activation="identity")), iris, words,
                             {"zipmap": False}),
        "iris_columns": (make_pipeline(scaler(), perceptron()), iris, kinds, {"zipmap": "columns"}),
        "cancer": (make_pipeline(scaler(), perceptron()), cancer, benign, {}),
        "digits": (make_pipeline(preprocessing.Normalizer(), perceptron()), digits, digit, {}),
        "several_labels": (perceptron(), digits, (digits[:, :5] > 8).astype(int), {"zipmap": False}),
        "logistic_words": (make_pipeline(scaler(), linear_model.LogisticRegression()), iris, words, {}),
        "logistic": (make_pipeline(scaler(), linear_model.LogisticRegression()), iris, kinds, {"zipmap": False}),
        "regressor": (make_pipeline(scaler(), perceptron(neural_network.MLPRegressor)), ill, progress, None),
        "linear": (make_pipeline(scaler(), linear_model.LinearRegression()), ill, np.stack([progress] * 2, 1), None),
    }
    for name, (model, x, y, options) in cases.items():
        x = x.astype("f4")
        model.fit(x, y)
        last = model.steps[-1][1] if hasattr(model, "steps") else model
        made = to_onnx(model, x[:1], options={id(last): options} if options else None)
        (folder / f"{name}.onnx").write_bytes(made.SerializeToString())
        np.savez(folder / f"{name}.in.npz", X=x[::3])


def main():
    if len(sys.argv) < 3 or sys.argv[2] not in ("timed", "torch", "channels_last", "sklearn"):
        sys.exit(__doc__)
    folder, what = pathlib.Path(sys.argv[1]), sys.argv[2]
    folder.mkdir(parents=True, exist_ok=True)
    if what == "channels_last":
        export_channels_last(folder)
    elif what == "sklearn":
        export_sklearn(folder)
    else:
        export_torch(folder, sys.argv[3:], what == "torch")


if __name__ == "__main__":
    main()
