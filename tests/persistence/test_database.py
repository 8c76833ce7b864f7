from sqlalchemy.engine import Engine

from incident_app.persistence import schema


def test_a_fresh_database_has_no_faults(engine: Engine) -> None:
    assert schema.schema_faults(engine) == []
