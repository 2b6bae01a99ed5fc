"""Settings come from file and environment, mistakes are named, secrets are never shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.main import app
from streaming.kafka.client import client_arguments
from streaming.kafka.errors import UnusableFile
from streaming.settings.loading import BadSettings, Settings, in_force, leaves, load_settings
from streaming.store.store import Store


def from_file(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Settings:
    path = tmp_path / "shop.toml"
    path.write_text(text)
    return load_settings(path, environ or {})


def test_nothing_configured_means_loopback() -> None:
    settings = load_settings(None, {})
    assert settings.kafka.bootstrap == "127.0.0.1:9092"
    assert settings.redis.url.startswith("redis://127.0.0.1:6379")
    assert (settings.service.host, settings.service.port) == ("127.0.0.1", 8000)
    assert (settings.learner.metrics_host, settings.learner.metrics_port) == ("127.0.0.1", 8001)


def test_the_environment_wins_over_the_file_and_both_are_named(tmp_path: Path) -> None:
    settings = from_file(
        tmp_path,
        'namespace = "shop2"\n[kafka]\nbootstrap = "a:1"\npartitions = 7\n[events.aliases]\nlike = "favourite"\n',
        {"SLUICEGATE_KAFKA__BOOTSTRAP": "b:2, c:3", "HOME": "/", "SLUICEGATE_EVENTS__TYPES": "click,favourite"},
    )
    assert settings.kafka.bootstrap == "b:2,c:3"
    assert settings.kafka.partitions == 7
    assert settings.events.types == ("click", "favourite")
    assert settings.events.rules().kinds["like"] == 1
    origins = {name: origin for name, _, origin in in_force(settings)}
    assert origins["kafka.bootstrap"] == "SLUICEGATE_KAFKA__BOOTSTRAP"
    assert origins["kafka.partitions"] == str(tmp_path / "shop.toml")
    assert origins["events.aliases"] == str(tmp_path / "shop.toml")
    assert origins["kafka.replication"] == "default"


def test_the_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text('namespace = "named"\n')
    assert load_settings(None, {"SLUICEGATE_CONFIG": str(path)}).namespace == "named"


@pytest.mark.parametrize(
    ("text", "environ", "says"),
    [
        (
            "",
            {"SLUICEGATE_KAFKA__BOOTSTRP": "x"},
            "SLUICEGATE_KAFKA__BOOTSTRP is not a setting: did you mean SLUICEGATE_KAFKA__BOOTSTRAP",
        ),
        ("[kafka]\nbootstap = 'x:1'", {}, "shop.toml) is not a setting: did you mean kafka.bootstrap?"),
        ("[qqqq]\nzzzz = 1", {}, "`sluicegate config` lists"),
        ("", {"SLUICEGATE_KAFKA": "x"}, "SLUICEGATE_KAFKA is not a setting"),
        ("[kafka]\nbootstrap = 'localhost'", {}, "'localhost' is not host:port"),
        ("[learner]\nbatch_size = 'many'", {}, "learner.batch_size (set in"),
        ("", {"SLUICEGATE_EVENTS__ALIASES": "{"}, "SLUICEGATE_EVENTS__ALIASES must be JSON"),
        ("[events.aliases]\nlike = 'fav'", {}, "unknown event type 'fav'"),
        ("[events.weights]\nclick = nan", {}, "events.weights.click (set in"),
        ("[events.weights]\nreturn = -1000", {}, "choose a number from -100 to 100"),
        ("", {"SLUICEGATE_EVENTS__WEIGHTS": '{"cart": -101}'}, "the weight of cart is -101"),
        ("[kafka]\nsecurity_protocol = 'SASL_SSL'", {}, "needs sasl_mechanism and username"),
        (
            "[kafka]\nsecurity_protocol = 'SASL_SSL'\nsasl_mechanism = 'PLAIN'\nusername = 'u'",
            {},
            "needs password_file",
        ),
        ("[kafka]\nsasl_mechanism = 'PLAIN'", {}, "sasl_mechanism needs security_protocol SASL_SSL"),
        (
            "[kafka]\nsecurity_protocol = 'SASL_SSL'\nsasl_mechanism = 'OAUTHBEARER'\nusername = 'u'",
            {},
            "needs token_file or token_url, one of them",
        ),
        ("[kafka]\ntoken_url = 'http://identity.example/token'", {}, "an https:// address"),
        ("[redis]\nurl = 'http://x'", {}, "a Redis address starts with redis://"),
        ("[redis]\nurl = 'redis+sentinel://one,two'", {}, "redis+sentinel://HOST"),
        ("[service]\nproxies = ['shop.example']", {}, "'shop.example' is no address or network"),
        ("[service]\nroot_path = 'reco/'", {}, "'reco/' is no path"),
        ("[redis]\npassword = 'a'\npassword_file = 'b'", {}, "both set"),
        ("namespace = 'Shop 2'", {}, "namespace"),
        ("kafka = [", {}, "is not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, environ: dict[str, str], says: str) -> None:
    with pytest.raises(BadSettings) as caught:
        from_file(tmp_path, text, environ)
    assert says in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"cannot read the configuration file .*none\.toml"):
        load_settings(tmp_path / "none.toml", {})


def test_secrets_are_in_no_representation_and_in_no_error(tmp_path: Path) -> None:
    environ = {
        "SLUICEGATE_KAFKA__PASSWORD": "hunter2",
        "SLUICEGATE_REDIS__PASSWORD": "hunter2",
        "SLUICEGATE_REDIS__URL": "redis://user:hunter2@host:6379/0",
    }
    settings = load_settings(None, environ)
    assert "hunter2" not in repr(settings) + str(settings) + str(in_force(settings))
    assert settings.kafka.secret() == "hunter2"
    mistakes = {
        "KAFKA__PASSWORD_FILE": "x",
        "KAFKA__BOOTSTRAP": "user:hunter2@kafka:9092",
        "KAFKA__TOKEN_URL": "http://user:hunter2@identity.example/token",
        "REDIS__URL": "http://user:hunter2@redis",
        "SERVICE__BEACON_ORIGINS": "https://user:hunter2@shop.example",
    }
    for name, value in mistakes.items():
        with pytest.raises(BadSettings) as caught:
            load_settings(None, environ | {f"SLUICEGATE_{name}": value})
        assert "hunter2" not in str(caught.value)


SECRET = "hunter2"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS__URL", f"redis://user:{SECRET}@host:6379/0"),
        ("REDIS__URL", f"redis://{SECRET}@host:6379/0"),
        ("REDIS__URL", f"redis://:a@{SECRET}@host:6379/0"),
        ("REDIS__URL", f"redis://host:6379/0?username=u&password={SECRET}"),
        ("REDIS__URL", f"unix:///run/redis.sock?db=1;password={SECRET}"),
        ("REDIS__PASSWORD", SECRET),
        ("KAFKA__PASSWORD", SECRET),
        ("KAFKA__TOKEN_URL", f"https://client:{SECRET}@identity.example/token"),
        ("KAFKA__TOKEN_URL", f"https://identity.example/token?client_secret={SECRET}#x"),
        ("SERVICE__KEYS", f"admin:{SECRET}"),
        ("SERVICE__KEYS", SECRET),
        ("SERVICE__KEYS", f"admin:{'ab' * 32},read:{SECRET}"),
    ],
)
def test_config_prints_no_secret_wherever_it_stands(name: str, value: str) -> None:
    settings = load_settings(None, {f"SLUICEGATE_{name}": value})
    printed = CliRunner().invoke(app, ["config"], env={f"SLUICEGATE_{name}": value})
    assert printed.exit_code == 0
    assert SECRET not in str(in_force(settings)) + printed.output
    assert "********" in printed.output


def test_config_still_says_which_server_and_whose_keys() -> None:
    url = f"rediss://shop:{SECRET}@redis.example:6379/3"
    environ = {"SLUICEGATE_REDIS__URL": url, "SLUICEGATE_SERVICE__KEYS": f"admin:{'AB' * 32}"}
    values = {path: value for path, value, _ in in_force(load_settings(None, environ))}
    assert values["redis.url"] == "rediss://********@redis.example:6379/3"
    assert values["service.keys"] == '["admin:abababab********"]'


@pytest.mark.parametrize("value", ["inf", "-inf", "nan", "1e300", "-1"])
def test_every_number_of_seconds_and_every_rate_is_finite_and_bounded(value: str) -> None:
    floats = [dotted for dotted in leaves() if isinstance(_default(dotted), float)]
    assert {"learner.version_interval", "kafka.request_timeout", "rebuild.every", "service.rate_limit"} <= set(floats)
    for dotted in floats:
        with pytest.raises(BadSettings, match=dotted.replace(".", r"\.")):
            load_settings(None, {f"SLUICEGATE_{dotted.replace('.', '__').upper()}": value})


def _default(dotted: str) -> object:
    found: object = Settings()
    for part in dotted.split("."):
        found = getattr(found, part)
    return found


def test_a_password_file_is_read_when_a_client_is_made(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("first\n")
    settings = from_file(
        tmp_path,
        f"[kafka]\nsecurity_protocol = 'SASL_SSL'\nsasl_mechanism = 'SCRAM-SHA-512'\nusername = 'u'\n"
        f"password_file = '{secret}'\ncafile = '/ca.pem'\ncheck_hostname = false\n",
    )
    arguments = client_arguments(settings.kafka, "c")
    assert arguments["sasl_plain_password"] == "first"
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-512"
    assert arguments["ssl_cafile"] == "/ca.pem"
    assert arguments["ssl_check_hostname"] is False
    secret.write_text("second\n")
    assert client_arguments(settings.kafka, "c")["sasl_plain_password"] == "second"


def test_a_password_file_that_cannot_be_used_is_named_with_its_setting(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    login = "security_protocol = 'SASL_SSL'\nsasl_mechanism = 'PLAIN'\nusername = 'u'"
    for path, reason in ((tmp_path / "none", "No such file"), (empty, "its first line is empty")):
        settings = from_file(tmp_path, f"[kafka]\n{login}\npassword_file = '{path}'")
        with pytest.raises(UnusableFile, match=rf"kafka\.password_file: {path} cannot be used: {reason}"):
            client_arguments(settings.kafka, "c")
        redis = load_settings(None, {"SLUICEGATE_REDIS__PASSWORD_FILE": str(path)})
        with pytest.raises(OSError, match=rf"redis\.password_file: {path} cannot be used: {reason}"):
            Store.for_service(redis)


def test_ages_of_anchors_rise_and_are_few() -> None:
    def ages(text: str) -> tuple[float, ...]:
        return load_settings(None, {"SLUICEGATE_GATE__ANCHORS": text}).gate.anchors

    assert (ages("60,600"), ages("[]")) == ((60.0, 600.0), ())
    for refused in ("600,60", "60,60", "1,2,3,4,5", "0,60"):
        with pytest.raises(BadSettings, match=r"gate.*(anchors|4 items)"):
            ages(refused)


def test_every_setting_says_what_it_is_for() -> None:
    for dotted in leaves():
        section = Settings
        *path, leaf = dotted.split(".")
        for part in path:
            section = section.model_fields[part].annotation  # type: ignore[assignment]
        description = section.model_fields[leaf].description or ""
        assert len(description) > 15, dotted


def test_topics_of_another_namespace_have_its_name() -> None:
    assert Settings().topic("events") == "events"
    assert Settings(namespace="b").topic("deadletter") == "b.events.deadletter"
    assert load_settings(None, {"SLUICEGATE_KAFKA__EVENTS_TOPIC": "clicks"}).topic("events") == "clicks"


def test_scenarios_join_those_of_the_default_and_replace_one_of_the_same_name(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[scenario.cart]\nn = 3\nfilter = ["attributes.stock>=1"]\n[scenario.deal]\nprice_max = 9.5\n')
    found = load_settings(file, {}).scenario
    assert set(found) == {"home", "product-page", "cart", "email", "deal"}
    assert found["cart"].options() == {"n": 3, "filter": ["attributes.stock>=1"]}
    assert found["deal"].options() == {"price_max": 9.5}
    assert found["email"] == load_settings(None, {}).scenario["email"]
    named = load_settings(None, {"SLUICEGATE_SCENARIO": '{"cart": {"n": 4}}'}).scenario
    assert named["cart"].options() == {"n": 4}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[scenario.cart]\ndiversty = 0.2\n", "did you mean scenario.cart.diversity?"),
        ("[scenario.cart]\nn = 500\n", "scenario.cart.n"),
        ('[scenario.cart]\nfilter = ["stock"]\n', "'stock' is no condition"),
        ('[scenario.cart]\npinned = ["tea:1"]\n', "'tea:1' is no pin"),
        ("[scenario.cart]\nprice_min = 5\nprice_max = 4\n", "price_max 4 is below price_min 5"),
        ("[scenario.none]\nn = 3\n", "choose another name"),
        ("[scenario.'The Cart']\nn = 3\n", "'The Cart' is no name"),
        ("".join(f"[scenario.s{n}]\nn = 3\n" for n in range(60)), "at most 50"),
    ],
)
def test_a_scenario_that_cannot_work_is_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "s.toml"
    file.write_text(text)
    with pytest.raises(BadSettings) as error:
        load_settings(file, {})
    assert says in str(error.value)


def test_a_segment_that_is_none_is_named(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[learner]\nsegments = ["tier:gold", "orders>=3"]\n')
    assert load_settings(file, {}).learner.segments == ("tier:gold", "orders>=3")
    file.write_text('[learner]\nsegments = ["gold"]\n')
    with pytest.raises(BadSettings, match="'gold' is no segment: write NAME:VALUE"):
        load_settings(file, {})


EXPERIMENT = """
[[experiment]]
name = "variety"
start = 2027-01-01T00:00:00Z

[[experiment.arm]]
name = "plain"
share = 0.5

[[experiment.arm]]
name = "varied"
share = SHARE
diversity = 0.4
"""


def test_an_experiment_is_read_from_the_file_and_an_impossible_one_is_refused_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "shop.toml"
    file.write_text(EXPERIMENT.replace("SHARE", "0.5"), encoding="utf-8")
    (ask,) = load_settings(file, {}).asked_experiments
    assert (ask.name, [arm.diversity for arm in ask.arm]) == ("variety", [None, 0.4])
    file.write_text(EXPERIMENT.replace("SHARE", "0.9"), encoding="utf-8")
    with pytest.raises(BadSettings, match=r"experiment\[0\]: arm: the shares add up to 1.4"):
        load_settings(file, {})
    file.write_text(2 * EXPERIMENT.replace("SHARE", "0.5"), encoding="utf-8")
    with pytest.raises(BadSettings, match=r"experiment\[1\].name: another experiment is called 'variety'"):
        load_settings(file, {})
