// Hexar from Go: what each system answers, one event a line as JSON.
//
// Usage: hexar-examples query|upload|chat|discover|analyze|draft|ops [HOST:PORT]
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"hexar/v1"
)

type example func(context.Context, *grpc.ClientConn) error

var examples = map[string]example{
	"query": query, "upload": upload, "chat": chat, "discover": discover, "analyze": analyze, "draft": draft, "ops": ops,
}

func query(ctx context.Context, server *grpc.ClientConn) error {
	stream, err := hexarv1.NewQueryServiceClient(server).Query(ctx, &hexarv1.QueryRequest{
		Text:  "beginner snowboard under $400",
		Limit: 5,
	})
	if err != nil {
		return err
	}
	return each(func() (proto.Message, error) { return stream.Recv() })
}

func upload(ctx context.Context, server *grpc.ClientConn) error {
	call, err := hexarv1.NewPortfolioServiceClient(server).UpsertDocuments(ctx)
	if err != nil {
		return err
	}
	text := "# Atlas 40\n\nThe warranty of the Atlas 40 is three years from the day of purchase.\n"
	frames := []*hexarv1.UpsertDocumentsRequest{
		{Frame: &hexarv1.UpsertDocumentsRequest_Target{Target: &hexarv1.UpsertTarget{PortfolioId: "manuals", Create: true}}},
		{Frame: &hexarv1.UpsertDocumentsRequest_Document{
			Document: &hexarv1.DocumentHeader{DocumentId: "atlas.md", MediaType: "text/markdown"}}},
		{Frame: &hexarv1.UpsertDocumentsRequest_Data{Data: []byte(text)}},
	}
	for _, frame := range frames {
		if err := call.Send(frame); err != nil {
			return err
		}
	}
	response, err := call.CloseAndRecv()
	if err != nil {
		return err
	}
	return show(response)
}

func chat(ctx context.Context, server *grpc.ClientConn) error {
	stream, err := hexarv1.NewChatServiceClient(server).Chat(ctx, &hexarv1.ChatRequest{
		PortfolioId: "manuals",
		Message:     "How long is the warranty of the Atlas 40?",
	})
	if err != nil {
		return err
	}
	return each(func() (proto.Message, error) { return stream.Recv() })
}

func discover(ctx context.Context, server *grpc.ClientConn) error {
	stream, err := hexarv1.NewPartsServiceClient(server).Discover(ctx, &hexarv1.DiscoverRequest{
		Vehicle: &hexarv1.VehicleQuery{Text: "Vauxhall Astra 2006 1.6"},
		Components: []*hexarv1.DamagedComponent{
			{Name: "front bumper", Degree: &hexarv1.DamagedComponent_Severity{Severity: hexarv1.Severity_SEVERITY_SEVERE}},
			{Name: "bonnet"},
		},
	})
	if err != nil {
		return err
	}
	return each(func() (proto.Message, error) { return stream.Recv() })
}

func analyze(ctx context.Context, server *grpc.ClientConn) error {
	market := hexarv1.NewMarketServiceClient(server)
	call, err := market.UploadTable(ctx)
	if err != nil {
		return err
	}
	table := "date,brand,revenue\n2024-01-15,Tindra,120.50\n2024-02-15,Korva,90\n"
	parts := []*hexarv1.UploadTableRequest{
		{Part: &hexarv1.UploadTableRequest_Options{Options: &hexarv1.TableOptions{Name: "example", Replace: true}}},
		{Part: &hexarv1.UploadTableRequest_FileName{FileName: "example.csv"}},
		{Part: &hexarv1.UploadTableRequest_Chunk{Chunk: []byte(table)}},
	}
	for _, part := range parts {
		if err := call.Send(part); err != nil {
			return err
		}
	}
	if _, err := call.CloseAndRecv(); err != nil {
		return err
	}
	stream, err := market.Analyze(ctx, &hexarv1.AnalyzeRequest{Table: "example", Question: "Which brand sold most in 2024?"})
	if err != nil {
		return err
	}
	return each(func() (proto.Message, error) { return stream.Recv() })
}

func draft(ctx context.Context, server *grpc.ClientConn) error {
	stream, err := hexarv1.NewLegalServiceClient(server).Draft(ctx, &hexarv1.DraftRequest{
		DocumentType: "nda",
		Jurisdiction: "US-CA",
		Request:      "Mutual NDA between Acme Robotics Inc. and Beta Labs LLC, effective 1 May 2026.",
	})
	if err != nil {
		return err
	}
	return each(func() (proto.Message, error) { return stream.Recv() })
}

func ops(ctx context.Context, server *grpc.ClientConn) error {
	response, err := hexarv1.NewOpsServiceClient(server).GetStatus(ctx, &hexarv1.GetStatusRequest{})
	if err != nil {
		return err
	}
	return show(response)
}

// each prints what receive gives until the stream has ended.
func each(receive func() (proto.Message, error)) error {
	for {
		event, err := receive()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := show(event); err != nil {
			return err
		}
	}
}

func show(message proto.Message) error {
	line, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err == nil {
		fmt.Println(string(line))
	}
	return err
}

func main() {
	if len(os.Args) < 2 || examples[os.Args[1]] == nil {
		log.Fatal("usage: hexar-examples query|upload|chat|discover|analyze|draft|ops [HOST:PORT]")
	}
	address := "localhost:50051"
	if len(os.Args) > 2 {
		address = os.Args[2]
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	server, err := grpc.DialContext(ctx, address, grpc.WithInsecure(), grpc.WithBlock())
	if err != nil {
		log.Fatalf("%s: %v", address, err)
	}
	defer server.Close()
	if err := examples[os.Args[1]](ctx, server); err != nil {
		log.Fatal(err)
	}
}
