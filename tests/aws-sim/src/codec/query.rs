//! The `query` protocol: form parameters in, XML out.
//!
//! <https://smithy.io/2.0/aws/protocols/aws-query-protocol.html>

use std::collections::BTreeMap;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesEnd, BytesStart, BytesText, Event};
use serde_json::{Map, Value};

use super::{Encoded, iso_8601};
use crate::error::AwsError;
use crate::model::{Model, Operation, Reference, Shape, Structure};

const CONTENT_TYPE: &str = "text/xml";
/// What a list's values are called where the model gives no name.
const MEMBER: &str = "member";

/// The parameters of a form by their dotted names, as a tree.
#[derive(Debug, Default)]
struct Node {
    value: Option<String>,
    children: BTreeMap<String, Node>,
}

/// Decodes a form by the operation's input shape. What does not fit the shape
/// is passed on as text, so that holding it against the model names it.
pub fn decode(model: &Model, operation: &Operation, form: &[(String, String)]) -> Value {
    let mut root = Node::default();
    for (name, value) in form.iter().filter(|(name, _)| name != "Action" && name != "Version") {
        let mut node = &mut root;
        for part in name.split('.') {
            node = node.children.entry(part.to_owned()).or_default();
        }
        node.value = Some(value.clone());
    }
    match operation.input.as_ref().map(|input| model.shape(&input.shape)) {
        Some(Shape::Structure(shape)) => decode_structure(model, shape, &root),
        _ => Value::Object(root.children.keys().map(|name| (name.clone(), Value::Null)).collect()),
    }
}

fn decode_structure(model: &Model, shape: &Structure, node: &Node) -> Value {
    let mut value = Map::new();
    let mut rest: Vec<&String> = node.children.keys().collect();
    for (name, member) in &shape.members {
        let wire = member.location_name.as_ref().unwrap_or(name);
        if let Some(child) = node.children.get(wire) {
            rest.retain(|other| *other != wire);
            value.insert(name.clone(), decode_value(model, member, child));
        }
    }
    for unknown in rest {
        value.insert(unknown.clone(), Value::Null);
    }
    Value::Object(value)
}

fn decode_value(model: &Model, reference: &Reference, node: &Node) -> Value {
    let text = node.value.clone().unwrap_or_default();
    match model.shape(&reference.shape) {
        Shape::Structure(shape) => decode_structure(model, shape, node),
        Shape::List { member, flattened, .. } => {
            let name = member.location_name.as_deref().unwrap_or(MEMBER);
            let values = if *flattened { Some(node) } else { node.children.get(name) };
            let decode = |node| decode_value(model, member, node);
            Value::Array(values.map(numbered).unwrap_or_default().into_iter().map(decode).collect())
        }
        Shape::Map { key, value, flattened } => {
            let entries = if *flattened { Some(node) } else { node.children.get("entry") };
            let key_name = key.location_name.as_deref().unwrap_or("key");
            let value_name = value.location_name.as_deref().unwrap_or("value");
            let entry = |entry: &Node| {
                let name = entry.children.get(key_name)?.value.clone()?;
                Some((name, decode_value(model, value, entry.children.get(value_name)?)))
            };
            Value::Object(entries.map(numbered).unwrap_or_default().into_iter().filter_map(entry).collect())
        }
        Shape::Integer { .. } | Shape::Long { .. } => text.parse::<i64>().map_or(Value::String(text), Value::from),
        Shape::Double | Shape::Float => text.parse::<f64>().map_or(Value::String(text), Value::from),
        Shape::Boolean => match text.to_ascii_lowercase().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => Value::String(text),
        },
        Shape::String { .. } | Shape::Timestamp | Shape::Blob => Value::String(text),
    }
}

/// The children named 1, 2, 3 … in the order of their numbers.
fn numbered(node: &Node) -> Vec<&Node> {
    let mut numbered: Vec<(u32, &Node)> =
        node.children.iter().filter_map(|(name, node)| Some((name.parse().ok()?, node))).collect();
    numbered.sort_by_key(|(number, _)| *number);
    numbered.into_iter().map(|(_, node)| node).collect()
}

/// Encodes an answer by the operation's output shape.
pub fn encode(model: &Model, operation: &Operation, answer: &Value, request_id: &str) -> Encoded {
    let mut xml = Xml::new();
    let namespace = model.metadata.xml_namespace.as_deref();
    xml.open(&format!("{}Response", operation.name), namespace);
    if let Some(output) = &operation.output {
        let wrapper = output.result_wrapper.as_deref();
        if let Some(wrapper) = wrapper {
            xml.open(wrapper, None);
        }
        if let (Shape::Structure(shape), Value::Object(members)) = (model.shape(&output.shape), answer) {
            xml.members(model, shape, members);
        }
        if let Some(wrapper) = wrapper {
            xml.close(wrapper);
        }
    }
    xml.open("ResponseMetadata", None);
    xml.text("RequestId", request_id);
    xml.close("ResponseMetadata");
    xml.close(&format!("{}Response", operation.name));
    xml.finish()
}

/// Encodes an error with this HTTP status.
pub fn encode_error(namespace: Option<&str>, error: &AwsError, status: u16, request_id: &str) -> Encoded {
    let mut xml = Xml::new();
    xml.open("ErrorResponse", namespace);
    xml.open("Error", None);
    xml.text("Type", if status < 500 { "Sender" } else { "Receiver" });
    xml.text("Code", &error.code);
    xml.text("Message", &error.message);
    xml.close("Error");
    xml.text("RequestId", request_id);
    xml.close("ErrorResponse");
    xml.finish()
}

/// Writes XML into memory, which cannot fail.
struct Xml(Writer<Vec<u8>>);

impl Xml {
    fn new() -> Self {
        Self(Writer::new(Vec::new()))
    }

    fn event(&mut self, event: Event<'_>) {
        let written: io::Result<()> = self.0.write_event(event);
        written.expect("writing into memory cannot fail");
    }

    fn open(&mut self, name: &str, namespace: Option<&str>) {
        let mut start = BytesStart::new(name);
        start.extend_attributes(namespace.map(|namespace| ("xmlns", namespace)));
        self.event(Event::Start(start));
    }

    fn close(&mut self, name: &str) {
        self.event(Event::End(BytesEnd::new(name)));
    }

    fn text(&mut self, name: &str, text: &str) {
        self.open(name, None);
        self.event(Event::Text(BytesText::new(text)));
        self.close(name);
    }

    fn members(&mut self, model: &Model, shape: &Structure, members: &Map<String, Value>) {
        for (name, value) in members {
            if let Some(member) = shape.members.get(name) {
                let wire = member.location_name.as_ref().unwrap_or(name);
                self.value(model, &member.shape, wire, value);
            }
        }
    }

    fn value(&mut self, model: &Model, shape: &str, name: &str, value: &Value) {
        match (model.shape(shape), value) {
            (Shape::Structure(shape), Value::Object(members)) => {
                self.open(name, None);
                self.members(model, shape, members);
                self.close(name);
            }
            (Shape::List { member, flattened: false, .. }, Value::Array(values)) => {
                self.open(name, None);
                let inner = member.location_name.as_deref().unwrap_or(MEMBER);
                for value in values {
                    self.value(model, &member.shape, inner, value);
                }
                self.close(name);
            }
            (Shape::List { member, flattened: true, .. }, Value::Array(values)) => {
                let inner = member.location_name.as_deref().unwrap_or(name);
                for value in values {
                    self.value(model, &member.shape, inner, value);
                }
            }
            (Shape::Map { key, value: shape, flattened }, Value::Object(entries)) => {
                let entry = if *flattened { name } else { "entry" };
                if !flattened {
                    self.open(name, None);
                }
                for (entry_key, entry_value) in entries {
                    self.open(entry, None);
                    self.text(key.location_name.as_deref().unwrap_or("key"), entry_key);
                    let inner = shape.location_name.as_deref().unwrap_or("value");
                    self.value(model, &shape.shape, inner, entry_value);
                    self.close(entry);
                }
                if !flattened {
                    self.close(name);
                }
            }
            (Shape::Timestamp, Value::String(text)) => match text.parse() {
                Ok(time) => self.text(name, &iso_8601(time)),
                Err(_) => self.text(name, text),
            },
            (_, Value::String(text)) => self.text(name, text),
            (_, Value::Null) => {}
            (_, other) => self.text(name, &other.to_string()),
        }
    }

    fn finish(self) -> Encoded {
        let body = String::from_utf8(self.0.into_inner()).expect("only text was written");
        Encoded { content_type: CONTENT_TYPE, body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn model(operation: &str) -> (&'static Model, &'static Operation) {
        let model = Model::of("rds").unwrap();
        (model, model.operation(operation).unwrap())
    }

    fn decoded(operation: &str, form: &str) -> Value {
        let form: Vec<_> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
        let (model, operation) = model(operation);
        decode(model, operation, &form)
    }

    #[test]
    fn lists_take_the_models_names_and_come_in_numeric_order() {
        let many: Vec<String> =
            (1..=11).rev().map(|n| format!("&VpcSecurityGroupIds.VpcSecurityGroupId.{n}=sg-{n}")).collect();
        let many = many.concat();
        let parameters = decoded(
            "CreateDBInstance",
            &format!(
                "Action=CreateDBInstance&Version=2014-10-31&DBInstanceIdentifier=a%20b&AllocatedStorage=20\
             &StorageEncrypted=true&MultiAZ=False&Tags.Tag.1.Key=k&Tags.Tag.1.Value=v+w&Tags.Tag.2.Key=e{many}"
            ),
        );
        assert_eq!(parameters["DBInstanceIdentifier"], "a b");
        assert_eq!(parameters["AllocatedStorage"], 20);
        assert_eq!(parameters["StorageEncrypted"], true);
        assert_eq!(parameters["MultiAZ"], false);
        assert_eq!(parameters["Tags"], json!([{"Key": "k", "Value": "v w"}, {"Key": "e"}]));
        assert_eq!(parameters["VpcSecurityGroupIds"][1], "sg-2");
        assert_eq!(parameters["VpcSecurityGroupIds"][10], "sg-11");
        assert_eq!(parameters.get("Action"), None);
    }

    #[test]
    fn an_empty_list_is_a_list_and_lists_without_a_name_use_member() {
        let parameters = decoded("CreateDBInstance", "DomainDnsIps.member.1=1.1.1.1&EnableCloudwatchLogsExports=");
        assert_eq!(parameters["DomainDnsIps"], json!(["1.1.1.1"]));
        assert_eq!(parameters["EnableCloudwatchLogsExports"], json!([]));
    }

    #[test]
    fn what_does_not_fit_reaches_the_check() {
        let (model, operation) = model("CreateDBInstance");
        let base = "DBInstanceIdentifier=a&DBInstanceClass=c&Engine=postgres";
        let code = |form: &str| {
            let parameters = decoded("CreateDBInstance", &format!("{base}&{form}"));
            model.check_input(operation, &parameters).map_err(|error| error.code)
        };
        assert_eq!(code("AllocatedStorage=20"), Ok(()));
        assert_eq!(code("AllocatedStorage=much"), Err("InvalidParameterValue".into()));
        assert_eq!(code("MultiAZ=maybe"), Err("InvalidParameterValue".into()));
        assert_eq!(code("Colour=red"), Err("NotImplemented".into()));
        assert_eq!(code("Tags.Tag.1.Colour=red"), Err("NotImplemented".into()));
    }

    #[test]
    fn an_answer_is_wrapped_and_escaped() {
        let (model, operation) = model("DescribeDBInstances");
        let answer = json!({"DBInstances": [{
            "DBInstanceIdentifier": "a<&>b",
            "AllocatedStorage": 20,
            "MultiAZ": false,
            "InstanceCreateTime": "2026-11-24T10:00:00Z",
            "TagList": [],
            "VpcSecurityGroups": [{"VpcSecurityGroupId": "sg-1", "Status": "active"}],
        }]});
        assert_eq!(
            encode(model, operation, &answer, "id-1").body,
            "<DescribeDBInstancesResponse xmlns=\"http://rds.amazonaws.com/doc/2014-10-31/\">\
             <DescribeDBInstancesResult><DBInstances><DBInstance>\
             <AllocatedStorage>20</AllocatedStorage>\
             <DBInstanceIdentifier>a&lt;&amp;&gt;b</DBInstanceIdentifier>\
             <InstanceCreateTime>2026-11-24T10:00:00.000Z</InstanceCreateTime>\
             <MultiAZ>false</MultiAZ><TagList></TagList>\
             <VpcSecurityGroups><VpcSecurityGroupMembership><Status>active</Status>\
             <VpcSecurityGroupId>sg-1</VpcSecurityGroupId></VpcSecurityGroupMembership></VpcSecurityGroups>\
             </DBInstance></DBInstances></DescribeDBInstancesResult>\
             <ResponseMetadata><RequestId>id-1</RequestId></ResponseMetadata></DescribeDBInstancesResponse>"
        );
    }

    #[test]
    fn an_error_names_its_side() {
        let error = AwsError::new("DBInstanceNotFound", "DBInstance a not found.");
        let body = encode_error(Some("urn:x"), &error, 404, "id-1").body;
        assert!(
            body.starts_with(
                "<ErrorResponse xmlns=\"urn:x\"><Error><Type>Sender</Type><Code>DBInstanceNotFound</Code>"
            )
        );
        assert!(encode_error(None, &error, 503, "id-1").body.contains("<Type>Receiver</Type>"));
    }
}
